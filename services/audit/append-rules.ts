/**
 * What no append may be, whatever the engine. Breaking one of these is a fault of the service itself, never of a caller, hence INTERNAL with
 * the rule in the cause. Checked before an append is queued, so that a faulty one cannot fail its neighbours.
 */
import { ChartwardenError } from '../kernel/errors.ts'
import { isUuid } from '../kernel/ids.ts'
import { type Append, maxEntryBytes, noState, systemLedger } from './ledger.ts'

const digestBytes = 32
const maxNameBytes = 256
const maxRevision = 2n ** 63n - 1n

const storable = (name: string): boolean =>
  name !== '' && !name.includes('\u0000') && name.isWellFormed() && Buffer.byteLength(name, 'utf8') <= maxNameBytes

/** The rule an append breaks, or undefined. Names no content: what it returns may be logged. */
const brokenRule = (append: Append): string | undefined => {
  const { entries, restsOn, notAfter } = append
  if (!storable(append.clinic)) return `a clinic needs an identifier of 1 to ${maxNameBytes} bytes`
  if (entries.length === 0) return 'an append needs at least one entry'
  if (restsOn !== 'any' && (restsOn < noState || restsOn > maxRevision)) return 'a state revision is at least -1'
  if (notAfter !== undefined && !Number.isFinite(notAfter)) return 'not after is a finite number of milliseconds'
  for (const entry of entries) {
    if (!isUuid(entry.id)) return 'an entry id is a lower-case UUID'
    if (!storable(entry.type)) return `an entry type has 1 to ${maxNameBytes} bytes`
    if (entry.requestDigest.length !== digestBytes) return `a request digest has ${digestBytes} bytes`
    if (entry.bytes.length === 0 || entry.bytes.length > maxEntryBytes) return `an entry has 1 to ${maxEntryBytes} bytes`
    if (entry.stateChanging && append.clinic === systemLedger) return 'the system ledger has no state'
  }
  if (entries.length > 1 && new Set(entries.map((entry) => entry.id)).size < entries.length) return 'an entry id occurs once in an append'
  return undefined
}

/** Throws INTERNAL if the append breaks a rule. */
export const checkAppend = (append: Append): void => {
  const rule = brokenRule(append)
  if (rule !== undefined) throw new ChartwardenError('INTERNAL', { cause: new TypeError(`faulty append: ${rule}`) })
}
