/**
 * An entry as an event. Its data are the entry's exact bytes: a JSON event would lose the order of members and large numbers, and with them the
 * leaf hash. What the index is made from again stands in the metadata.
 *
 * The event's id is not the entry's: the server takes an append for a repetition of an earlier one by the ids of its events alone, and two
 * services may well bring an entry of one id that says different things.
 */
import { ChartwardenError } from '../../../kernel/errors.ts'
import { isUuid } from '../../../kernel/ids.ts'
import { maxEntryBytes, type NewEntry, type StoredEntry } from '../../ledger.ts'
import { parseBase64 } from '../../log/base64.ts'
import type { NewEvent, StreamEvent } from './streams.ts'

/** `recordedAt`: ledger time, milliseconds since the epoch. */
export const eventOf = (entry: NewEntry, recordedAt: number, eventId: string): NewEvent => ({
  id: eventId,
  type: entry.type,
  data: entry.bytes,
  metadata: {
    entryId: entry.id,
    requestDigest: Buffer.from(entry.requestDigest).toString('base64'),
    stateChanging: entry.stateChanging,
    recordedAt,
  },
})

const alien = (event: StreamEvent, what: string): ChartwardenError =>
  new ChartwardenError('INTERNAL', {
    cause: new Error(`event ${event.revision} of a clinic's stream was not written by this service: ${what}`),
  })

/** Throws INTERNAL for an event that no service of ours has written. */
export const entryOf = (event: StreamEvent, clinic: string): StoredEntry => {
  const { metadata, data } = event
  if (typeof metadata !== 'object' || metadata === null) throw alien(event, 'it has no metadata')
  const { entryId, requestDigest, stateChanging, recordedAt } = metadata as Readonly<Record<string, unknown>>
  if (typeof entryId !== 'string' || !isUuid(entryId)) throw alien(event, 'its entry has no id')
  const digest = typeof requestDigest === 'string' ? parseBase64(requestDigest) : undefined
  if (digest?.length !== 32) throw alien(event, 'its request digest is not 32 bytes')
  if (typeof stateChanging !== 'boolean') throw alien(event, 'it does not say whether it changes the state')
  if (typeof recordedAt !== 'number' || !Number.isSafeInteger(recordedAt)) throw alien(event, 'it does not say when it was recorded')
  if (!(data instanceof Uint8Array) || data.length === 0 || data.length > maxEntryBytes) throw alien(event, 'its data are no entry')
  return { id: entryId, type: event.type, stateChanging, requestDigest: digest, bytes: data, clinic, revision: event.revision, recordedAt }
}
