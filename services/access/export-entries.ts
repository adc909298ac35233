/**
 * Entries for somebody who was not there: a selection, each with its proof under one checkpoint, or a whole ledger. What is selected is found
 * by looking through every entry's bytes, so that nothing is missed because an index did not know of it.
 */
import type { ClinicEntries, ClinicScan } from '../audit/clinic-entries.ts'
import { composeEntry } from '../audit/compose-entry.ts'
import { entryTime, openEnvelope } from '../audit/entry.ts'
import type { Identities } from '../audit/identities.ts'
import type { StoredEntry } from '../audit/ledger.ts'
import { formatVerifierKey } from '../audit/log/note.ts'
import { inclusionProof } from '../audit/log/proofs.ts'
import type { AwaitCheckpoint } from '../audit/log/serve/await-checkpoint.ts'
import type { OpenedCheckpoint } from '../audit/log/serve/open-checkpoint.ts'
import { type PublishedLog, type PublishedTree, treeOf } from '../audit/log/serve/published-log.ts'
import { leafHash } from '../audit/log/tree-hash.ts'
import { createTreeHasher } from '../audit/log/tree-hasher.ts'
import { verifyInclusion } from '../audit/log/verify-proofs.ts'
import type { KeyTransfer } from '../audit/vault/key-transfer.ts'
import type { ClinicVault, Pseudonym } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import { canonicalJson, type JsonValue } from '../kernel/canonical-json.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import type { Randomness } from '../kernel/ids.ts'
import { provenanceOf } from './check.ts'
import type { ClinicWriter } from './clinic-writer.ts'
import type { KeysExported, TrailViewed } from './events.ts'
import { keptTiles } from './export/kept-tiles.ts'
import { type KnownName, namesIn } from './export/names.ts'
import { recipientDigest } from './export/recipient.ts'
import type { NamedPerson } from './person.ts'
import { openPrivate, type PrivatePart } from './read-entries.ts'
import type { AuthoriseReading, ReadingRequest } from './reading.ts'
import { stillPermitted } from './still-permitted.ts'

export interface ExportRequest {
  readonly clinic: string
  readonly onBehalfOf: NamedPerson | undefined
  readonly patientId: string
  readonly subject: { readonly type: string; readonly id: string } | undefined
  /** Of the entries' own time, milliseconds since the epoch: [from, until). */
  readonly from: number | undefined
  readonly until: number | undefined
  /** An age recipient; empty: no keys. */
  readonly keysFor: string
}

export type ExportItem =
  | {
      readonly kind: 'head'
      readonly checkpoint: OpenedCheckpoint
      readonly verifierKeys: readonly string[]
      readonly whole: boolean
      /** As entries name whom was asked for; undefined: nobody was. */
      readonly named: { readonly patient: Pseudonym | undefined; readonly subject: Pseudonym | undefined }
    }
  | {
      readonly kind: 'entry'
      readonly entry: StoredEntry
      readonly private: PrivatePart
      readonly hashes: readonly Buffer[]
      readonly names: readonly KnownName[]
    }
  | { readonly kind: 'keys'; readonly bytes: Uint8Array }

/** Yields the head first; returns the last revision looked at. */
export type ExportEntries = (
  context: CallContext,
  request: ExportRequest,
) => AsyncGenerator<ExportItem, { readonly completeTo: bigint }, undefined>

export interface ExportSources {
  readonly entries: ClinicEntries & ClinicScan
  readonly log: PublishedLog
  readonly awaitCheckpoint: AwaitCheckpoint
  readonly keys: KeyTransfer
  /** Told when a checkpoint is given out. */
  readonly handOut: () => void
}

export interface ExportEntriesOptions extends ExportSources {
  readonly authorise: AuthoriseReading
  readonly identities: Identities
  readonly randomness: Randomness
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  /** How long a checkpoint that covers the ledger is waited for, in milliseconds. Defaults to 30,000. */
  readonly publicationMs?: number
}

const query = 'export'

/** Entries between two looks at the person. */
const entriesBetweenLooks = 1_000

const filterOf = ({ patientId, subject, from, until, keysFor }: ExportRequest): JsonValue => ({
  patient_id: patientId,
  ...(subject === undefined ? {} : { subject }),
  ...(from === undefined ? {} : { from: new Date(from).toISOString() }),
  ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
  ...(keysFor === '' ? {} : { keys_for: keysFor }),
})

export const createExportEntries = (options: ExportEntriesOptions): ExportEntries => {
  const { entries, log, awaitCheckpoint, keys, handOut, authorise, identities, randomness, now, publicationMs = 30_000 } = options

  /** That keys left, and for whom, is durable before the first of them does. */
  const recordKeys = async (context: CallContext, writer: ClinicWriter, viewed: StoredEntry, recipient: string): Promise<bigint> => {
    const requestId = randomness.uuid()
    const { actor } = openEnvelope(viewed.bytes).data as unknown as TrailViewed
    const data: KeysExported = { actor, recipient: recipientDigest(recipient) }
    const committed = await writer.commit(
      {
        decide: () => undefined,
        notAfter: () => undefined,
        entries: async (_, time) => [
          await composeEntry(writer.vault, randomness, {
            clinic: writer.clinic,
            id: writer.entryId('export_keys', requestId, 0),
            type: 'chartwarden.keys.exported.v1',
            stateChanging: false,
            time,
            provenance: { ...provenanceOf(context), causationId: viewed.id },
            requestDigest: writer.vault.requestDigest(canonicalJson({ operation: 'export_keys', requestId })),
            data,
          }),
        ],
      },
      context.deadline,
    )
    if (committed.kind !== 'stored') throw new ChartwardenError('INTERNAL', { cause: new Error(`an export of keys was ${committed.kind}`) })
    return (committed.entries[0] as StoredEntry).revision
  }

  const covering = async (context: CallContext, clinic: string, revision: bigint) => {
    const patience = AbortSignal.timeout(publicationMs)
    try {
      return await awaitCheckpoint({ clinic, revision, witnessed: false, signal: AbortSignal.any([context.signal, patience]) })
    } catch (thrown) {
      throw patience.aborted && !context.signal.aborted ? new ChartwardenError('NOT_PUBLISHED', { retryAfterSeconds: 5 }) : thrown
    }
  }

  const opened = async (writer: ClinicWriter, entry: StoredEntry, unseal: boolean) => ({
    private: await openPrivate(writer.vault, entry, unseal),
    names: unseal ? await namesIn(entry, { clinic: writer.clinic, vault: writer.vault, identities }) : [],
  })

  /** Entries as they are signed: what does not lead to the signed root does not leave as evidence. */
  const proven = async (tree: PublishedTree, entry: StoredEntry, tiles: ReturnType<typeof keptTiles>): Promise<readonly Buffer[]> => {
    const hashes = await inclusionProof(entry.revision, tree.size, tiles)
    const claim = { leafHash: leafHash(entry.bytes), index: entry.revision, size: tree.size, proof: hashes, root: tree.root }
    if (!verifyInclusion(claim)) throw log.damaged(tree.clinic, `the entry of revision ${entry.revision} is not the one that was signed`)
    return hashes
  }

  const namedIn = (vault: ClinicVault, { patientId, subject }: ExportRequest) => ({
    patient: patientId === '' ? undefined : vault.pseudonym({ kind: 'patient', type: '', id: patientId }),
    subject: subject === undefined ? undefined : vault.pseudonym({ kind: 'subject', ...subject }),
  })

  const selected = (vault: ClinicVault, request: ExportRequest, last: bigint, context: CallContext): AsyncIterable<StoredEntry> => {
    const { clinic } = request
    const { patient, subject } = namedIn(vault, request)
    const named = [patient, subject].filter((pseudonym) => pseudonym !== undefined)
    return named.length === 0 ? entries.read(clinic, 0n, last, context) : entries.holding(clinic, named, 0n, last, context)
  }

  return async function* (context, request) {
    const { clinic, onBehalfOf, patientId, subject, from, until, keysFor } = request
    if (keysFor !== '' && !context.caller.scopes.has('ledger.keys')) {
      throw new ChartwardenError('SCOPE_MISSING', { metadata: { scope: 'ledger.keys' } })
    }
    const whole = patientId === '' && subject === undefined && from === undefined && until === undefined
    const reading: ReadingRequest = {
      clinic,
      ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
      query,
      scope: 'ledger.export',
      needs: { resourceType: 'audit_log', action: 'read' },
      record: 'viewing',
      streamed: true,
      ...(subject === undefined ? {} : { subject }),
      ...(patientId === '' ? {} : { patientId }),
      filter: filterOf(request),
    }
    const authorised = await authorise(context, reading)
    const { writer, entry: viewed } = authorised
    if (viewed === undefined) throw new ChartwardenError('INTERNAL', { cause: new Error('an export was not recorded') })
    const recorded = keysFor === '' ? viewed.revision : await recordKeys(context, writer, viewed, keysFor)
    // A whole export says of itself that it was made; a selection ends before the entry that records it.
    const published = await covering(context, clinic, whole ? recorded : viewed.revision - 1n)
    const { checkpoint } = published
    const verifierKeys = checkpoint.signedBy.map(formatVerifierKey)
    handOut()
    yield { kind: 'head', checkpoint, verifierKeys, whole, named: namedIn(writer.vault, request) }

    const permitted = stillPermitted({ context, request: reading, authorised, authorise, now })
    let looked = 0
    const look = async (): Promise<void> => {
      looked += 1
      if (looked % entriesBetweenLooks === 0) await permitted()
    }
    const unseal = context.caller.scopes.has('audit.unseal')
    const tree = treeOf(published.log, checkpoint)
    if (whole) {
      const hasher = createTreeHasher()
      for await (const entry of entries.read(clinic, 0n, tree.size - 1n, context)) {
        await look()
        hasher.append(entry.bytes)
        yield { kind: 'entry', entry, hashes: [], ...(await opened(writer, entry, unseal)) }
      }
      if (hasher.size !== tree.size || !hasher.root().equals(tree.root))
        throw log.damaged(clinic, 'the entries are not those that were signed')
      if (keysFor !== '') for await (const bytes of keys.exportKeys(clinic, keysFor)) yield { kind: 'keys', bytes }
      return { completeTo: tree.size - 1n }
    }
    const tiles = keptTiles(log, tree)
    const last = viewed.revision - 1n
    for await (const entry of selected(writer.vault, request, last, context)) {
      await look()
      const time = Date.parse(entryTime(entry.bytes))
      if ((from !== undefined && time < from) || (until !== undefined && time >= until)) continue
      yield { kind: 'entry', entry, hashes: await proven(tree, entry, tiles), ...(await opened(writer, entry, unseal)) }
    }
    return { completeTo: last }
  }
}
