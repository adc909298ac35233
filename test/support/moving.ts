/** A ledger on its way from one installation to another, over gRPC. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import { Decrypter, generateIdentity, identityToRecipient } from 'age-encryption'
import type {
  ExportEntriesRequestSchema,
  ExportedEntry,
  ExportHead,
  ImportLedgerRequestSchema,
  ImportResult,
} from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { parseCheckpoint } from '../../services/audit/log/checkpoint.ts'
import { parseNote } from '../../services/audit/log/note.ts'
import type { Clients } from './clinic.ts'

export interface ExportedLedger {
  readonly head: ExportHead
  readonly entries: readonly ExportedEntry[]
  /** As they were sent. */
  readonly keys: Buffer
  readonly end: { readonly items: bigint; readonly completeToRevision: bigint }
}

export const exportOf = async (
  { audit }: Pick<Clients, 'audit'>,
  request: MessageInitShape<typeof ExportEntriesRequestSchema>,
): Promise<ExportedLedger> => {
  const entries: ExportedEntry[] = []
  const keys: Uint8Array[] = []
  let head: ExportHead | undefined
  let end: ExportedLedger['end'] | undefined
  for await (const { item } of audit.exportEntries(request)) {
    if (item.case === 'head') head = item.value
    else if (item.case === 'entry') entries.push(item.value)
    else if (item.case === 'keys') keys.push(item.value)
    else if (item.case === 'end') end = item.value
  }
  if (head === undefined || end === undefined) throw new Error('an export without a head or an end')
  return { head, entries, keys: Buffer.concat(keys), end }
}

/** Revisions of an export. */
export const revisionsOf = ({ entries }: ExportedLedger): readonly number[] => entries.map(({ entry }) => Number(entry?.revision))

/** Everything that moves a ledger; the keys in clear, as whoever holds the identity has them. */
export interface Moved {
  readonly clinic: string
  readonly size: bigint
  readonly root: Buffer
  readonly origin: string
  readonly entries: readonly Buffer[]
  readonly keys: string
}

export const moveOut = async (clients: Pick<Clients, 'audit'>, clinic: string): Promise<Moved> => {
  const identity = await generateIdentity()
  const { head, entries, keys } = await exportOf(clients, { clinic, keysFor: await identityToRecipient(identity) })
  const decrypter = new Decrypter()
  decrypter.addIdentity(identity)
  const opened = await decrypter.decrypt(keys)
  const checkpoint = parseCheckpoint(parseNote(head.checkpoint?.note ?? '')?.text ?? '')
  if (checkpoint === undefined) throw new Error('an export without a checkpoint')
  const { size, root, origin } = checkpoint
  const bytes = entries.map(({ entry }) => Buffer.from(entry?.canonical ?? []))
  return { clinic, size, root, origin, entries: bytes, keys: Buffer.from(opened).toString('utf8') }
}

type Request = MessageInitShape<typeof ImportLedgerRequestSchema>

/** What is sent; `paused` is waited for before the entry of that number. */
export async function* importRequests(
  moved: Moved,
  paused: { readonly before?: number; readonly until?: Promise<void> } = {},
): AsyncGenerator<Request> {
  const { clinic, size, root, origin, entries, keys } = moved
  yield { item: { case: 'head', value: { clinic, size, rootHash: root, origin } } }
  for (const [index, value] of entries.entries()) {
    if (index === paused.before) await paused.until
    yield { item: { case: 'canonical', value } }
  }
  if (keys !== '') yield { item: { case: 'keys', value: Buffer.from(keys) } }
}

export const moveIn = async ({ audit }: Pick<Clients, 'audit'>, moved: Moved): Promise<ImportResult> => {
  let result: ImportResult | undefined
  for await (const { item } of audit.importLedger(importRequests(moved))) if (item.case === 'result') result = item.value
  if (result === undefined) throw new Error('an import without a result')
  return result
}
