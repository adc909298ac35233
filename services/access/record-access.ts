/** Accesses that took place: after a permit, elsewhere, or offline. */
import type { ClinicVault, Identity } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import type { JsonValue } from '../kernel/canonical-json.ts'
import { patientIdOf } from './patient-of.ts'
import {
  createFindFacts,
  createRecordFact,
  type Fact,
  type FactFound,
  futureFlag,
  type Recorded,
  type RecordingOptions,
} from './record-fact.ts'

/** A well-formed report of an access. Times in milliseconds since the epoch. */
export interface PerformedAccess {
  readonly requestId: string
  readonly clinic: string
  readonly subject: { readonly type: string; readonly id: string }
  readonly action: string
  readonly resource: { readonly type: string; readonly id: string; readonly patientId: string }
  /** Empty is kept as UNSTATED and flagged. */
  readonly purpose: string
  readonly reason: string
  readonly occurredAt?: number
  readonly decisionEntryId: string
  readonly source: string
  /** The request without its id. */
  readonly form: JsonValue
}

/** Records one access; durable when the promise resolves. */
export type RecordAccess = (context: CallContext, access: PerformedAccess) => Promise<Recorded>

/** What recording each of these accesses of one clinic would meet now, in order; nothing is recorded. */
export type FindAccesses = (context: CallContext, clinic: string, accesses: readonly PerformedAccess[]) => Promise<readonly FactFound[]>

const factOf = (vault: ClinicVault, access: PerformedAccess): Fact<'chartwarden.access.recorded.v1'> => {
  const subject: Identity = { kind: 'subject', type: access.subject.type, id: access.subject.id }
  const patientId = patientIdOf(access.resource)
  const patient: Identity | undefined = patientId === '' ? undefined : { kind: 'patient', type: '', id: patientId }
  return {
    type: 'chartwarden.access.recorded.v1',
    operation: 'record_access',
    requestId: access.requestId,
    form: access.form,
    introduces: patient === undefined ? [subject] : [subject, patient],
    under: vault.pseudonym(patient ?? subject),
    sealed: {
      resource_id: access.resource.id,
      reason: access.reason === '' ? undefined : access.reason,
      source: access.source === '' ? undefined : access.source,
    },
    data: (time) => {
      const occurredAt = access.occurredAt ?? time
      return {
        subject: { type: subject.type, pseudonym: vault.pseudonym(subject) },
        action: access.action,
        resource_type: access.resource.type,
        ...(patient === undefined ? {} : { patient: vault.pseudonym(patient) }),
        purpose: access.purpose === '' ? 'UNSTATED' : access.purpose,
        occurred_at: new Date(occurredAt).toISOString(),
        ...(access.decisionEntryId === '' ? {} : { decision_entry_id: access.decisionEntryId }),
        flags: [...(access.purpose === '' ? ['purpose_unstated'] : []), ...futureFlag(occurredAt, time)],
      }
    },
  }
}

export const createRecordAccess = (options: RecordingOptions): RecordAccess => {
  const record = createRecordFact(options)
  return async (context, access) => {
    const writer = await options.writers.open(access.clinic)
    return record(context, writer, factOf(writer.vault, access))
  }
}

export const createFindAccesses = (options: Pick<RecordingOptions, 'ledger' | 'writers'>): FindAccesses => {
  const find = createFindFacts(options)
  return async (context, clinic, accesses) => {
    const writer = await options.writers.open(clinic)
    return find(
      context,
      writer,
      accesses.map((access) => factOf(writer.vault, access)),
    )
  }
}
