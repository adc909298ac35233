/** Writes disclosures, concerns and emergencies into a scripted ledger, as access would. */
import type {
  ConcernRecorded,
  DisclosureRecorded,
  EmergencyOpened,
  EmergencyReviewed,
  SubjectReference,
} from '../../services/access/events.ts'
import type { Pseudonym } from '../../services/audit/vault.ts'
import type { LedgerScript, Written } from './ledger-script.ts'

const spelled = (time: number): string => new Date(time).toISOString()

export interface ScriptedDisclosure {
  readonly patient: Pseudonym
  readonly by: SubjectReference
  /** Milliseconds since the epoch. */
  readonly at: number
  /** What repeats have in common. Defaults to the recipient. */
  readonly series?: string
  readonly recipient?: string
  readonly address?: string
  readonly description?: string
  readonly category?: DisclosureRecorded['category']
  readonly suspendedUntil?: number
}

export const writeDisclosure = (script: LedgerScript, disclosure: ScriptedDisclosure): Promise<Written> => {
  const { recipient = 'Health office', series = recipient, suspendedUntil } = disclosure
  return script.write(
    'chartwarden.disclosure.recorded.v1',
    {
      patient: disclosure.patient,
      recorded_by: disclosure.by,
      disclosed_at: spelled(disclosure.at),
      category: disclosure.category ?? 'accountable',
      series: script.vault.pseudonym({ kind: 'disclosure_series', type: '', id: `${disclosure.patient} ${series}` }),
      ...(suspendedUntil === undefined ? {} : { suspended_until: spelled(suspendedUntil) }),
      flags: [],
    },
    {
      sealed: {
        recipient_name: recipient,
        recipient_address: disclosure.address,
        description: disclosure.description ?? 'Immunisations',
        purpose: 'Reporting',
      },
    },
  )
}

export interface ScriptedConcern {
  readonly patient: Pseudonym
  readonly by: SubjectReference
  readonly at: number
  readonly kind?: ConcernRecorded['kind']
  readonly about?: string
  readonly text?: string
}

export const writeConcern = (script: LedgerScript, { patient, by, at, kind = 'dispute', about, text }: ScriptedConcern): Promise<Written> =>
  script.write(
    'chartwarden.concern.recorded.v1',
    { patient, recorded_by: by, kind, ...(about === undefined ? {} : { about_entry_id: about }), raised_at: spelled(at) },
    { sealed: { text: text ?? 'I was not there' } },
  )

export const writeAnswer = (
  script: LedgerScript,
  { patient, by, at, text }: ScriptedConcern,
  concern: Pick<Written, 'id'>,
  outcome: NonNullable<ConcernRecorded['outcome']>,
): Promise<Written> =>
  script.write(
    'chartwarden.concern.recorded.v1',
    { patient, recorded_by: by, kind: 'answer', concern_id: concern.id, outcome, raised_at: spelled(at) },
    { sealed: { text: text ?? 'We have looked into it' } },
  )

const actor = (subject?: SubjectReference) => ({ rule: 'scope/emergency.use', ...(subject === undefined ? {} : { subject }) })

export interface ScriptedEmergency {
  readonly subject: SubjectReference
  readonly patient: Pseudonym
  readonly time: number
  readonly until: number
  /** Defaults to an hour after `until`. */
  readonly reviewDue?: number
  readonly purpose?: EmergencyOpened['purpose']
  readonly reason?: string
}

export const openEmergency = (script: LedgerScript, emergency: ScriptedEmergency): Promise<Written> =>
  script.write(
    'chartwarden.emergency.opened.v1',
    {
      actor: actor(emergency.subject),
      subject: emergency.subject,
      patient: emergency.patient,
      purpose: emergency.purpose ?? 'BTG',
      until: spelled(emergency.until),
      review_due: spelled(emergency.reviewDue ?? emergency.until + 3_600_000),
    },
    { time: emergency.time, sealed: { reason: emergency.reason ?? 'unconscious' } },
  )

type About = Pick<ScriptedEmergency, 'subject' | 'patient' | 'time'>

export const closeEmergency = (
  script: LedgerScript,
  { subject, patient, time }: About,
  emergency: Pick<Written, 'id'>,
  cause: 'closed' | 'expired' = 'closed',
): Promise<Written> =>
  script.write('chartwarden.emergency.closed.v1', { actor: actor(), emergency_id: emergency.id, subject, patient, cause }, { time })

export const reviewEmergency = (
  script: LedgerScript,
  { subject, patient, time }: About,
  emergency: Pick<Written, 'id'>,
  by: SubjectReference,
  { outcome = 'justified', note }: { readonly outcome?: EmergencyReviewed['outcome']; readonly note?: string } = {},
): Promise<Written> =>
  script.write(
    'chartwarden.emergency.reviewed.v1',
    { actor: actor(by), emergency_id: emergency.id, subject, patient, outcome },
    { time, sealed: { note } },
  )
