/**
 * Makes a backup: reads one moment of the installation, writes segments under names that nobody else uses, and at last the manifest, which
 * alone makes a backup of them. Whatever ends it before that leaves the last complete one as it was.
 */
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Randomness } from '../../kernel/ids.ts'
import { leafHash } from '../log/tree-hash.ts'
import { BackupError } from './backup-error.ts'
import type { BackupManifest, ClinicRecord, KeyRecord, Segment } from './backup-format.ts'
import type { BackupKey } from './backup-key.ts'
import type { BackupMoment, BackupSource } from './backup-source.ts'
import type { BackupStore } from './backup-store.ts'
import { createClinicTrees } from './clinic-trees.ts'
import { formatManifest, manifestName } from './manifest.ts'
import { type Backup, backupNumbers, openBackup, type ReadManifest, readManifest } from './open-backup.ts'
import { clinicCodec, entryCodec, keyCodec, logCodec, type RecordCodec } from './records.ts'
import { createSegmentWriter, encryptTo, putObject, type SegmentWriter, sealWith } from './segment-writer.ts'

export interface WriteBackupOptions {
  readonly store: BackupStore
  readonly key: BackupKey
  readonly source: BackupSource
  /** age recipients, at least one: only who has the identity of one of them can read entries and keys. */
  readonly recipients: readonly string[]
  readonly randomness: Randomness
  /**
   * Whether a full one is made whatever there is: the operator's word that the ledger may differ from the one backed up last, e.g. after a
   * restore.
   */
  readonly full?: boolean | undefined
  /** After which a full one is due. Milliseconds, defaults to 7 days. */
  readonly fullAfterMs?: number | undefined
  /** Ends it between two pages; it rejects with CALL_CANCELLED. */
  readonly signal?: AbortSignal | undefined
  /** As in the segment writer. */
  readonly segmentBytes?: number
}

export interface WrittenBackup {
  readonly manifest: BackupManifest
  /** Of the objects that were written for it. */
  readonly bytes: number
  /** Clinics whose entries are not those of their newest checkpoint: they are in the backup, and a restore will refuse them. */
  readonly differing: readonly string[]
}

const dayMs = 86_400_000

/** Keys of a clinic have segments of their own, small ones: those of newcomers change the last one only. */
const keySegmentBytes = 1_048_576

const numberText = (number: number): string => String(number).padStart(8, '0')

interface LastBackup extends ReadManifest {
  /** What an incremental one goes on from; undefined where a full one is asked for, which needs nothing of it. */
  readonly backup: Backup | undefined
}

const lastBackup = async (store: BackupStore, key: BackupKey, full: boolean): Promise<LastBackup | undefined> => {
  const newest = (await backupNumbers(store)).at(-1)
  const last = newest === undefined ? undefined : await readManifest(store, key, newest)
  if (last === undefined) return undefined
  return { ...last, backup: full ? undefined : await openBackup({ store, key, identities: [] }) }
}

/** The leaf of the entry at a position. */
const leafAt = async (source: BackupSource, position: bigint): Promise<string | undefined> => {
  if (position === 0n) return undefined
  for await (const [entry] of source.entries(position - 1n, position))
    if (entry !== undefined) return leafHash(entry.bytes).toString('base64')
  return undefined
}

/** Throws BackupError unless the ledgers go on from where the last backup ended. */
const requireSameLedger = async (source: BackupSource, moment: BackupMoment, { to, lastLeaf, number }: BackupManifest): Promise<void> => {
  if (moment.position >= to && (await leafAt(source, to)) === lastLeaf) return
  throw new BackupError(
    'ledger_differs',
    `The ledger is not the one that backup ${number} holds: it ends before it, or has other entries. After a restore that was meant, make a full backup.`,
  )
}

/** Of a key that signs only from an entry on that is behind the moment the backup does not tell: it takes part from the next one on. */
const isLater = (record: KeyRecord, size: bigint): boolean => record.kind === 'log_key_activation' && record.ordinal >= size

/** Throws BackupError, and what source and store throw. */
export const writeBackup = async (options: WriteBackupOptions): Promise<WrittenBackup> => {
  const { store, key, source, recipients, randomness, full: asked = false, fullAfterMs = 7 * dayMs, signal, segmentBytes } = options
  const last = await lastBackup(store, key, asked)
  const moment = await source.moment()
  if (last !== undefined && last.manifest.installation !== moment.installation) {
    throw new BackupError('foreign', `${store.where} holds backups of another installation; give each a place of its own.`)
  }
  if (last?.backup !== undefined) await requireSameLedger(source, moment, last.manifest)
  const chainStart = last?.backup?.chain[0]
  const base = chainStart === undefined || moment.at - chainStart.createdAt >= fullAfterMs ? undefined : last?.backup
  const before: ReadonlyMap<string, ClinicRecord> = base === undefined ? new Map() : await base.clinics()
  const from = base?.manifest.to ?? 0n

  const number = (last?.manifest.number ?? 0) + 1
  const prefix = `segments/${numberText(number)}-${Buffer.from(randomness.bytes(8)).toString('hex')}`
  const encrypt = encryptTo(recipients)
  // A full one names nothing that was written before it: what the store has lost is there again, and everybody who is a recipient now can open it.
  const reusable = base?.manifest.segments ?? []
  const stop = (): void => {
    if (signal?.aborted) throw new ChartwardenError('CALL_CANCELLED')
  }
  const size = segmentBytes === undefined ? {} : { segmentBytes }
  const segmentsOf = async <T>(
    kind: 'entries' | 'logs' | 'clinics',
    codec: RecordCodec<T>,
    fill: (writer: SegmentWriter<T>) => Promise<void>,
  ): Promise<readonly Segment[]> => {
    const sealed = sealWith(key, () => randomness.bytes(12))
    const writer = createSegmentWriter({ store, kind, codec, prefix, encrypt: kind === 'clinics' ? sealed : encrypt, ...size })
    await fill(writer)
    return writer.finish()
  }

  const trees = createClinicTrees(moment, before)
  let lastLeaf = base?.manifest.lastLeaf
  const entrySegments = await segmentsOf('entries', entryCodec, async (writer) => {
    for await (const page of source.entries(from, moment.position)) {
      stop()
      trees.take(page)
      for (const entry of page) await writer.write(entry)
      const newest = page.at(-1)
      if (newest !== undefined) lastLeaf = leafHash(newest.bytes).toString('base64')
    }
  })
  const clinics = trees.finish()

  const keyWriter = createSegmentWriter({
    store,
    kind: 'keys',
    codec: keyCodec,
    prefix,
    encrypt,
    reusable,
    segmentBytes: Math.min(segmentBytes ?? keySegmentBytes, keySegmentBytes),
  })
  for (const { clinic, size: entries } of clinics) {
    for await (const page of source.keys(clinic)) {
      stop()
      for (const record of page) if (!isLater(record, entries)) await keyWriter.write(record)
    }
    await keyWriter.cut()
  }
  const segments = [
    ...entrySegments,
    ...(await keyWriter.finish()),
    ...(await segmentsOf('logs', logCodec, async (writer) => {
      for (const record of moment.logs) await writer.write(record)
    })),
    ...(await segmentsOf('clinics', clinicCodec, async (writer) => {
      for (const clinic of clinics) await writer.write(clinic)
    })),
  ]
  stop()

  const manifest: BackupManifest = {
    number,
    previous: last?.digest,
    kind: base === undefined ? 'full' : 'incremental',
    installation: moment.installation,
    createdAt: moment.at,
    from,
    to: moment.position,
    lastLeaf,
    clinics: clinics.length,
    segments,
  }
  const bytes = formatManifest(manifest, key)
  if (!(await putObject(store, manifestName(number), bytes))) {
    throw new BackupError('overtaken', `Another process has written backup ${number} meanwhile; that one counts.`)
  }
  const fresh = segments.filter(({ name }) => name.startsWith(`${prefix}/`))
  return {
    manifest,
    bytes: fresh.reduce((sum, segment) => sum + segment.bytes, bytes.length),
    differing: [...trees.differing],
  }
}
