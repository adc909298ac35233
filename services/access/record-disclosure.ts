/** Disclosures that took place: what an accounting under 45 CFR 164.528 is made from. */
import type { ClinicVault, Identity, Pseudonym } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import { canonicalJson, type JsonValue } from '../kernel/canonical-json.ts'
import type { DisclosureCategory } from './events.ts'
import { createRecordFact, futureFlag, type Recorded, type RecordingOptions } from './record-fact.ts'

/** A well-formed report of a disclosure. Times in milliseconds since the epoch. */
export interface Disclosure {
  readonly requestId: string
  readonly clinic: string
  readonly recordedBy: { readonly type: string; readonly id: string }
  readonly patientId: string
  /** Absent: now. */
  readonly disclosedAt?: number
  readonly recipientName: string
  /** Empty: not known. */
  readonly recipientAddress: string
  readonly description: string
  readonly purpose: string
  readonly category: DisclosureCategory
  readonly suspendedUntil?: number
  readonly source: string
  /** The request without its id. */
  readonly form: JsonValue
}

/** Records one disclosure; durable when the promise resolves. Whether the clinic knows the person who recorded it plays no part. */
export type RecordDisclosure = (context: CallContext, disclosure: Disclosure) => Promise<Recorded>

/** The same for texts that differ only in case, in kinds and amount of white space, or in how their characters are composed. */
const normalised = (text: string): string =>
  text.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC').replace(/\s+/gu, ' ').trim()

/**
 * What repeated disclosures have in common: recipient (an address that differs is another recipient, or it would be lost in a summary) and
 * purpose. Bound to the patient, so that it does not tell which patients were disclosed to one recipient.
 */
const seriesOf = (vault: ClinicVault, disclosure: Disclosure): Pseudonym => {
  const { patientId, recipientName, recipientAddress, purpose } = disclosure
  const id = canonicalJson([patientId, normalised(recipientName), normalised(recipientAddress), normalised(purpose)])
  return vault.pseudonym({ kind: 'disclosure_series', type: '', id })
}

export const createRecordDisclosure = (options: RecordingOptions): RecordDisclosure => {
  const record = createRecordFact(options)
  return async (context, disclosure) => {
    const writer = await options.writers.open(disclosure.clinic)
    const { vault } = writer
    const recorder: Identity = { kind: 'subject', type: disclosure.recordedBy.type, id: disclosure.recordedBy.id }
    const patient: Identity = { kind: 'patient', type: '', id: disclosure.patientId }
    return record(context, writer, {
      type: 'chartwarden.disclosure.recorded.v1',
      operation: 'record_disclosure',
      requestId: disclosure.requestId,
      form: disclosure.form,
      introduces: [patient, recorder],
      under: vault.pseudonym(patient),
      sealed: {
        recipient_name: disclosure.recipientName,
        recipient_address: disclosure.recipientAddress === '' ? undefined : disclosure.recipientAddress,
        description: disclosure.description,
        purpose: disclosure.purpose,
        source: disclosure.source === '' ? undefined : disclosure.source,
      },
      data: (time) => {
        const disclosedAt = disclosure.disclosedAt ?? time
        return {
          patient: vault.pseudonym(patient),
          recorded_by: { type: recorder.type, pseudonym: vault.pseudonym(recorder) },
          disclosed_at: new Date(disclosedAt).toISOString(),
          category: disclosure.category,
          series: seriesOf(vault, disclosure),
          ...(disclosure.suspendedUntil === undefined ? {} : { suspended_until: new Date(disclosure.suspendedUntil).toISOString() }),
          flags: futureFlag(disclosedAt, time),
        }
      },
    })
  }
}
