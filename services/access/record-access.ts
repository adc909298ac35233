/** Accesses that took place: after a permit, elsewhere, or offline. They rest on no state, since what happened happened. */
import { composeEntry } from '../audit/compose-entry.ts'
import type { Identities } from '../audit/identities.ts'
import type { Ledger, StoredEntry } from '../audit/ledger.ts'
import type { Identity } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import { canonicalJson, type JsonValue } from '../kernel/canonical-json.ts'
import type { Clock } from '../kernel/clock.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import type { Randomness } from '../kernel/ids.ts'
import { provenanceOf } from './check.ts'
import type { ClinicWriters } from './clinic-writer.ts'
import { clockToleranceMs } from './decide.ts'
import type { AccessRecorded } from './events.ts'
import { patientIdOf } from './patient-of.ts'

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

export interface RecordAccessOptions {
  readonly ledger: Ledger
  readonly writers: ClinicWriters
  readonly identities: Identities
  readonly randomness: Randomness
  readonly clock: Clock
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

export interface Recorded {
  readonly entry: StoredEntry
  readonly replayed: boolean
}

/** Records one access; durable when the promise resolves. */
export type RecordAccess = (context: CallContext, access: PerformedAccess) => Promise<Recorded>

const type = 'chartwarden.access.recorded.v1'

export const createRecordAccess = (options: RecordAccessOptions): RecordAccess => {
  const { ledger, writers, identities, randomness, clock, now } = options
  return async (context, access) => {
    const { clinic, vault, entryId } = await writers.open(access.clinic)
    const provenance = provenanceOf(context)
    const digest = vault.requestDigest(canonicalJson({ operation: 'record_access', caller: context.caller.id, request: access.form }))
    const subject: Identity = { kind: 'subject', type: access.subject.type, id: access.subject.id }
    const patientId = patientIdOf(access.resource)
    const patient: Identity | undefined = patientId === '' ? undefined : { kind: 'patient', type: '', id: patientId }
    await identities.introduce(clinic, vault, patient === undefined ? [subject] : [subject, patient], provenance, context.deadline)
    const id = entryId('record_access', access.requestId, 0)
    for (;;) {
      if (clock.monotonic() > context.deadline) throw new ChartwardenError('DEADLINE_EXCEEDED')
      const time = now()
      const occurredAt = access.occurredAt ?? time
      const data: AccessRecorded = {
        subject: { type: subject.type, pseudonym: vault.pseudonym(subject) },
        action: access.action,
        resource_type: access.resource.type,
        ...(patient === undefined ? {} : { patient: vault.pseudonym(patient) }),
        purpose: access.purpose === '' ? 'UNSTATED' : access.purpose,
        occurred_at: new Date(occurredAt).toISOString(),
        ...(access.decisionEntryId === '' ? {} : { decision_entry_id: access.decisionEntryId }),
        flags: [...(access.purpose === '' ? ['purpose_unstated'] : []), ...(occurredAt > time + clockToleranceMs ? ['future_dated'] : [])],
      }
      const entry = await composeEntry(vault, randomness, {
        clinic,
        id,
        type,
        stateChanging: false,
        time,
        provenance,
        requestDigest: digest,
        data,
        sealed: {
          under: data.patient ?? data.subject.pseudonym,
          value: {
            resource_id: access.resource.id,
            reason: access.reason === '' ? undefined : access.reason,
            source: access.source === '' ? undefined : access.source,
          },
        },
      })
      const outcome = await ledger.append({ clinic, entries: [entry], restsOn: 'any', deadline: context.deadline })
      switch (outcome.kind) {
        case 'stored':
          return { entry: { ...entry, clinic, revision: outcome.revisions[0] as bigint, recordedAt: outcome.ledgerTime }, replayed: false }
        case 'duplicate':
          return { entry: outcome.originals[0] as StoredEntry, replayed: true }
        case 'mismatch':
          throw new ChartwardenError('REQUEST_MISMATCH')
        case 'moved':
          throw new ChartwardenError('LEDGER_REGRESSED')
        case 'stale':
          break
      }
    }
  }
}
