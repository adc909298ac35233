/** Opening a clinic's ledger: its keys, and one append that registers it with its first administrator. */
import type { ClinicLock } from '../audit/clinic-lock.ts'
import { composeEntry } from '../audit/compose-entry.ts'
import { entryIdsOf } from '../audit/entry.ts'
import type { Identities } from '../audit/identities.ts'
import { type Ledger, type NewEntry, noState, type StoredEntry } from '../audit/ledger.ts'
import type { ClinicVault, Identity, Pseudonym, Vault } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import { canonicalJson, type JsonValue } from '../kernel/canonical-json.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import type { Randomness } from '../kernel/ids.ts'
import type { Change } from './administer/commands.ts'
import { administer } from './administer.ts'
import { errorOf } from './administration.ts'
import { provenanceOf } from './check.ts'
import { stateChanging } from './events.ts'
import { emptyState } from './state.ts'

export interface Registration {
  /** UUID. */
  readonly requestId: string
  readonly clinic: string
  readonly title: string
  readonly timeZone: string
  readonly administrator: { readonly type: string; readonly id: string }
  /** The request without its id. */
  readonly form: JsonValue
}

export interface RegisterClinicOptions {
  readonly ledger: Ledger
  readonly vault: Vault
  /** Shared with imports. */
  readonly lock: ClinicLock
  readonly identities: Identities
  readonly randomness: Randomness
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

export interface Registered {
  readonly entry: StoredEntry
  readonly replayed: boolean
}

/** Registers a clinic; throws CLINIC_EXISTS when there is one of that name by another request. */
export type RegisterClinic = (context: CallContext, registration: Registration) => Promise<Registered>

const operation = 'register_clinic'

export const createRegisterClinic = (options: RegisterClinicOptions): RegisterClinic => {
  const { ledger, vault, lock, identities, randomness, now } = options

  /** Those there are, else new ones. A ledger without keys was imported as evidence, or is being imported: new ones would be another clinic's. */
  const keysOf = async (context: CallContext, clinic: string): Promise<ClinicVault> =>
    (await vault.clinic(clinic)) ??
    lock(clinic, context, async () => {
      if ((await ledger.head(clinic)) !== undefined && (await vault.clinic(clinic)) === undefined) {
        throw new ChartwardenError('CLINIC_EXISTS')
      }
      return vault.createClinic(clinic)
    })

  return async (context, registration) => {
    const { clinic, requestId } = registration
    const administrator: Identity = { kind: 'subject', ...registration.administrator }
    const plan = (pseudonym: Pseudonym, time: number): Change => {
      const command = {
        kind: 'register_clinic',
        title: registration.title,
        timeZone: registration.timeZone,
        administrator: { type: administrator.type, pseudonym },
      } as const
      const outcome = administer(emptyState(), command, { scope: 'clinic.register' }, time)
      if (outcome.kind === 'error') throw errorOf(outcome)
      if (outcome.kind !== 'change') throw new ChartwardenError('INTERNAL', { cause: new Error(`a registration was ${outcome.kind}`) })
      return outcome
    }
    // A request that cannot be carried out must leave nothing behind, keys included: so it is planned once before there are any.
    plan('' as Pseudonym, now())
    const keys = await keysOf(context, clinic)
    const requestDigest = keys.requestDigest(canonicalJson({ operation, caller: context.caller.id, request: registration.form }))
    const entryId = entryIdsOf(clinic)
    const id = (ordinal: number): string => entryId(operation, requestId, ordinal)

    for (;;) {
      const time = now()
      const outcome = plan(keys.pseudonym(administrator), time)
      const provenance = provenanceOf(context)
      const introduction = await identities.draft(clinic, keys, administrator, time, provenance)
      const changes = await Promise.all(
        outcome.events.map((event, ordinal) =>
          composeEntry(keys, randomness, {
            clinic,
            id: id(ordinal),
            type: event.type,
            stateChanging: stateChanging[event.type],
            time,
            provenance,
            requestDigest,
            data: event.data,
          }),
        ),
      )
      const [first, ...rest] = changes as [NewEntry, ...NewEntry[]]
      // The registration itself is revision 0; the administrator is introduced right behind it, ahead of the first entry about that person.
      const entries = [first, introduction, ...rest]
      const appended = await ledger.append({ clinic, entries, restsOn: noState, deadline: context.deadline })
      switch (appended.kind) {
        case 'stored':
          return {
            entry: { ...first, clinic, revision: appended.revisions[0] as bigint, recordedAt: appended.ledgerTime },
            replayed: false,
          }
        case 'duplicate':
          return { entry: appended.originals[0] as StoredEntry, replayed: true }
        case 'mismatch': {
          // The administrator's introduction is in every ledger of that clinic, so only the request's own id tells which case it is.
          const original = (await ledger.find(clinic, [id(0)])).get(id(0))
          throw new ChartwardenError(original === undefined ? 'CLINIC_EXISTS' : 'REQUEST_MISMATCH')
        }
        case 'moved':
          throw new ChartwardenError('CLINIC_EXISTS')
        case 'stale':
          break
      }
    }
  }
}
