import { openEnvelope } from '../audit/entry.ts'
import type { StoredEntry } from '../audit/ledger.ts'
import { type AccessEvent, type EventType, stateChanging } from './events.ts'

/** Whether this version of the service knows the type. */
export const isKnownType = (type: string): type is EventType => Object.hasOwn(stateChanging, type)

/**
 * A stored entry as an event of today's vocabulary: older versions are upcast here, one pure step per version. Undefined for a type this
 * version does not know; the caller must not skip it silently.
 */
export const decodeEntry = (entry: StoredEntry): AccessEvent | undefined => {
  if (!isKnownType(entry.type)) return undefined
  const envelope = openEnvelope(entry.bytes)
  return {
    type: entry.type,
    id: entry.id,
    revision: entry.revision,
    time: Date.parse(envelope.time),
    caller: envelope.caller,
    data: envelope.data,
  } as unknown as AccessEvent
}
