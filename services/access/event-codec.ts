import { openEnvelope } from '../audit/entry.ts'
import type { StoredEntry } from '../audit/ledger.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { type AccessEvent, type EventType, stateChanging } from './events.ts'

/** A type of the past, and the step to the version after it. */
interface Upcast {
  readonly to: string
  upcast(data: unknown): unknown
}

const upcasts: Readonly<Record<string, Upcast>> = {
  // v2 added conditions and clearances. A version of the service that does not know them must not decide on roles that have them, hence a
  // new version although every v1 role is a v2 role as it is.
  'chartwarden.role.defined.v1': { to: 'chartwarden.role.defined.v2', upcast: (data) => data },
}

const isCurrent = (type: string): type is EventType => Object.hasOwn(stateChanging, type)

/** Whether this version of the service can read the type, today's or an older one. */
export const isKnownType = (type: string): boolean => isCurrent(type) || Object.hasOwn(upcasts, type)

/**
 * A stored entry as an event of today's vocabulary: older versions are upcast here, one pure step per version. Undefined for a type this
 * version does not know; the caller must not skip it silently.
 */
export const decodeEntry = (entry: StoredEntry): AccessEvent | undefined => {
  if (!isKnownType(entry.type)) return undefined
  const envelope = openEnvelope(entry.bytes)
  let type: string = entry.type
  let data: unknown = envelope.data
  while (!isCurrent(type)) {
    const step = upcasts[type] as Upcast
    data = step.upcast(data)
    type = step.to
  }
  return {
    type,
    id: entry.id,
    revision: entry.revision,
    time: Date.parse(envelope.time),
    caller: envelope.caller,
    data,
  } as unknown as AccessEvent
}

/**
 * A state-changing entry as an event. Throws INTERNAL for a type this version does not know: without it every later decision on that state
 * would be wrong, so nothing is decided at all.
 */
export const decodeStateEntry = (entry: StoredEntry): AccessEvent => {
  const event = decodeEntry(entry)
  if (event === undefined) throw new ChartwardenError('INTERNAL', { cause: new Error(`unknown state-changing type ${entry.type}`) })
  return event
}
