/** What a patient disputes, asks to correct or complains of, and the clinic's answers. The entry concerned stays as it is. */
import type { Ledger, StoredEntry } from '../audit/ledger.ts'
import type { Identity, Pseudonym } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import type { JsonValue } from '../kernel/canonical-json.ts'
import { ChartwardenError, invalidField } from '../kernel/errors.ts'
import { clockToleranceMs } from './decide.ts'
import { decodeEntry } from './event-codec.ts'
import type { AccessEvent, ConcernRecorded } from './events.ts'
import { createRecordFact, futureFlag, type Recorded, type RecordingOptions } from './record-fact.ts'

/** A well-formed concern, or answer to one. Times in milliseconds since the epoch. */
export interface Concern {
  readonly requestId: string
  readonly clinic: string
  readonly recordedBy: { readonly type: string; readonly id: string }
  readonly patientId: string
  readonly kind: ConcernRecorded['kind']
  /** Empty: none in particular. */
  readonly aboutEntryId: string
  /** Of an answer, and only there. */
  readonly answers?: { readonly concernId: string; readonly outcome: NonNullable<ConcernRecorded['outcome']> }
  readonly text: string
  /** Absent: now. */
  readonly raisedAt?: number
  /** The request without its id. */
  readonly form: JsonValue
}

/**
 * Records one concern; durable when the promise resolves. Throws ABOUT_ENTRY_UNKNOWN and CONCERN_UNKNOWN, which say the same of what does
 * not exist and of what concerns another patient, and INVALID_ARGUMENT for an answer from before its concern. A time that lies ahead of the
 * ledger's is kept, and marked `future_dated`.
 */
export type RecordConcern = (context: CallContext, concern: Concern) => Promise<Recorded>

/** The patient whom an entry concerns; undefined for none. The end of a share names only the share. */
const patientOf = async (ledger: Pick<Ledger, 'find'>, clinic: string, event: AccessEvent | undefined): Promise<Pseudonym | undefined> => {
  switch (event?.type) {
    case 'chartwarden.identity.introduced.v1':
      return event.data.kind === 'patient' ? event.data.pseudonym : undefined
    case 'chartwarden.staff.enrolled.v1':
    case 'chartwarden.staff.updated.v1':
      return event.data.own_patient
    case 'chartwarden.share.ended.v1': {
      const share = (await ledger.find(clinic, [event.data.share_id])).get(event.data.share_id)
      return share === undefined ? undefined : await patientOf(ledger, clinic, decodeEntry(share))
    }
    default:
      return event !== undefined && 'patient' in event.data ? event.data.patient : undefined
  }
}

export const createRecordConcern = (options: RecordingOptions): RecordConcern => {
  const { ledger, writers } = options
  const record = createRecordFact(options)

  const checkEntry = async (clinic: string, id: string, entry: StoredEntry | undefined, patient: Pseudonym): Promise<void> => {
    if (id === '') return
    const concerned = entry === undefined ? undefined : await patientOf(ledger, clinic, decodeEntry(entry))
    if (entry === undefined || (concerned !== undefined && concerned !== patient)) throw new ChartwardenError('ABOUT_ENTRY_UNKNOWN')
  }

  /** An answer stands beside its concern and, through it, beside the entry that the concern is about. */
  const checkAnswer = (concern: Concern, entry: StoredEntry | undefined, patient: Pseudonym): void => {
    if (concern.answers === undefined) return
    const event = entry === undefined ? undefined : decodeEntry(entry)
    if (event?.type !== 'chartwarden.concern.recorded.v1' || event.data.kind === 'answer' || event.data.patient !== patient) {
      throw new ChartwardenError('CONCERN_UNKNOWN')
    }
    if (concern.aboutEntryId !== '' && concern.aboutEntryId !== event.data.about_entry_id) {
      throw invalidField('about_entry_id', 'must be empty or that of the concern answered')
    }
    // A concern that bears a time to come was raised when it was recorded, at the latest. Whose clock is ahead by a little is not known.
    const raised = Math.min(event.time, Date.parse(event.data.raised_at))
    if (concern.raisedAt !== undefined && concern.raisedAt < raised - clockToleranceMs) {
      throw invalidField('raised_at', 'must not lie before the concern answered')
    }
  }

  return async (context, concern) => {
    const writer = await writers.open(concern.clinic)
    const { clinic, vault } = writer
    const recorder: Identity = { kind: 'subject', type: concern.recordedBy.type, id: concern.recordedBy.id }
    const patient: Identity = { kind: 'patient', type: '', id: concern.patientId }
    const pseudonym = vault.pseudonym(patient)
    const named = [concern.aboutEntryId, concern.answers?.concernId ?? ''].filter((id) => id !== '')
    const found = named.length === 0 ? new Map<string, StoredEntry>() : await ledger.find(clinic, named)
    await checkEntry(clinic, concern.aboutEntryId, found.get(concern.aboutEntryId), pseudonym)
    checkAnswer(concern, found.get(concern.answers?.concernId ?? ''), pseudonym)
    return record(context, writer, {
      type: 'chartwarden.concern.recorded.v1',
      operation: 'record_concern',
      requestId: concern.requestId,
      form: concern.form,
      introduces: [patient, recorder],
      under: pseudonym,
      sealed: { text: concern.text },
      data: (time) => {
        const raisedAt = concern.raisedAt ?? time
        const flags = futureFlag(raisedAt, time)
        return {
          patient: pseudonym,
          recorded_by: { type: recorder.type, pseudonym: vault.pseudonym(recorder) },
          kind: concern.kind,
          ...(concern.aboutEntryId === '' ? {} : { about_entry_id: concern.aboutEntryId }),
          ...(concern.answers === undefined ? {} : { concern_id: concern.answers.concernId, outcome: concern.answers.outcome }),
          raised_at: new Date(raisedAt).toISOString(),
          ...(flags.length === 0 ? {} : { flags }),
        }
      },
    })
  }
}
