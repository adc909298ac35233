/** Administrative and sharing calls: each is a decision about a person and, when permitted, one change of the clinic's state. */
import { composeEntry } from '../audit/compose-entry.ts'
import type { Identities } from '../audit/identities.ts'
import type { Ledger, NewEntry, StoredEntry } from '../audit/ledger.ts'
import type { ClinicVault, Identity, Pseudonym } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import { canonicalJson, type JsonValue } from '../kernel/canonical-json.ts'
import type { Clock } from '../kernel/clock.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import type { Randomness } from '../kernel/ids.ts'
import type { Scope } from '../kernel/scopes.ts'
import type { PlannedEvent } from './administer/commands.ts'
import { notesOn } from './administer/notes.ts'
import { type Actor, type AdministrationOutcome, type AdministrativeCommand, administer, stillHolds } from './administer.ts'
import { provenanceOf } from './check.ts'
import type { ClinicWriters } from './clinic-writer.ts'
import { decodeEntry } from './event-codec.ts'
import { type AccessDecided, type AccessEvent, type ObligationData, type SubjectReference, stateChanging } from './events.ts'
import { actingPerson, checkSignIn, identityOfPerson, type NamedPerson, requirePerson } from './person.ts'

/** What a request means once its identifiers are pseudonyms. */
export interface Prepared {
  readonly command: AdministrativeCommand
  /** Those that must stand in the ledger before the change. */
  readonly identities: readonly Identity[]
  /** Who is decided about where the token may name nobody: whose emergency it is. Its sign-in counts, not that of `on_behalf_of`. */
  readonly person?: NamedPerson
  /**
   * Sealed under the identity named; or under that of the patient whom the change turns out to concern (`ofEvent`), which stands in the
   * ledger already; or, where the command concerns nobody, under that of whoever asks.
   */
  readonly sealed?: { readonly under?: Pseudonym | 'ofEvent'; readonly value: { readonly [name: string]: JsonValue | undefined } }
  /** Fills in what is made only once the change is permitted. `id` of the entry; asked again with the same one when the change is planned anew. */
  readonly complete?: (event: PlannedEvent, id: string) => Promise<PlannedEvent>
}

export interface AdministrativeRequest {
  readonly clinic: string
  /** E.g. `grant_role`; part of the entry's id. */
  readonly operation: string
  /** UUID. */
  readonly requestId: string
  readonly onBehalfOf: NamedPerson | undefined
  readonly scope: Scope
  /** The request without its id, trace and sessions. */
  readonly form: JsonValue
  prepare(vault: ClinicVault): Prepared
}

export interface Administered {
  /** The change as it stands in the ledger. */
  readonly event: AccessEvent
  readonly entry: StoredEntry
  readonly replayed: boolean
  /** Duties that came with the permission of the person named. */
  readonly obligations: readonly ObligationData[]
  /** In words: what may be a misspelling, by the state that the change rests on; of a repeat by the state of now. */
  readonly notes: readonly string[]
}

export interface AdministrationOptions {
  readonly ledger: Ledger
  readonly writers: ClinicWriters
  readonly identities: Identities
  readonly randomness: Randomness
  readonly clock: Clock
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

/** Carries out a change; durable when the promise resolves. A refusal is recorded and thrown as NOT_PERMITTED. */
export type Administration = (context: CallContext, request: AdministrativeRequest) => Promise<Administered>

/** The state moved between planning and appending so that the command is now an error: plan again. */
class PlanChanged extends Error {}

export const createAdministration = (options: AdministrationOptions): Administration => {
  const { ledger, writers, identities, randomness, clock, now } = options

  return async (context, request) => {
    const named = requirePerson(context.caller, request.onBehalfOf, now())
    const writer = await writers.open(request.clinic)
    const { clinic, vault, state } = writer
    const { command, identities: mentioned, sealed, person = named, complete } = request.prepare(vault)
    if (person !== named) checkSignIn('subject.session', person?.session, now())
    const actor: Actor = { scope: request.scope, ...(person === undefined ? {} : actingPerson(vault, person)) }
    // The calling software is a subject too: of type "service".
    const asker: Identity = person === undefined ? { kind: 'subject', type: 'service', id: context.caller.id } : identityOfPerson(person)
    const sealedPart = (event: PlannedEvent) => {
      if (sealed === undefined) return {}
      const named = sealed.under === 'ofEvent' ? patientOf(event) : sealed.under
      return { sealed: { under: named ?? vault.pseudonym(asker), value: sealed.value } }
    }
    const digest = vault.requestDigest(canonicalJson({ operation: request.operation, caller: context.caller.id, request: request.form }))
    const id = writer.entryId(request.operation, request.requestId, 0)
    const plan = (time: number) => administer(state, command, actor, time)

    const refusalEntry = (
      outcome: Extract<AdministrationOutcome, { kind: 'refused' }>,
      entry: { readonly id: string; readonly time: number; readonly supersedes?: string },
      stateRevision: bigint,
    ): Promise<NewEntry> => {
      const refused = actor.subject ?? { type: asker.type, pseudonym: vault.pseudonym(asker) }
      const data = refusedData(refused, outcome, request.operation, stateRevision, entry.supersedes)
      return composeEntry(vault, randomness, {
        clinic,
        id: entry.id,
        time: entry.time,
        provenance: provenanceOf(context),
        requestDigest: digest,
        type: 'chartwarden.access.decided.v1',
        stateChanging: false,
        data,
        sealed: { under: data.patient ?? data.subject.pseudonym, value: { resource_id: request.operation } },
      })
    }

    /** A repeat by a person who may no longer do it: a refusal of its own, so that an old change cannot be replayed after a revocation. */
    const refuseReplay = async (original: StoredEntry): Promise<never> => {
      await identities.introduce(clinic, vault, [asker], provenanceOf(context), context.deadline)
      const committed = await writer.commit<AdministrationOutcome>(
        {
          decide: (_, time) => plan(time),
          notAfter: () => undefined,
          entries: async (outcome, time, stateRevision) => {
            if (outcome.kind !== 'refused') throw new PlanChanged()
            const id = writer.entryId('stale', original.id, Number(stateRevision))
            return [await refusalEntry(outcome, { id, time, supersedes: original.id }, stateRevision)]
          },
        },
        context.deadline,
      )
      if (committed.kind === 'mismatch') throw new ChartwardenError('REQUEST_MISMATCH')
      const entry = (committed.kind === 'stored' ? committed.entries : committed.originals)[0] as StoredEntry
      const event = decodeEntry(entry)
      throw event?.type === 'chartwarden.access.decided.v1' ? notPermitted(event.data) : new ChartwardenError('NOT_PERMITTED')
    }

    const replay = async (original: StoredEntry, time: number): Promise<Administered> => {
      const event = decodeEntry(original)
      if (event === undefined) throw new ChartwardenError('INTERNAL', { cause: new Error(`unknown type ${original.type}`) })
      if (event.type === 'chartwarden.access.decided.v1') throw notPermitted(event.data)
      const again = plan(time)
      if (again.kind === 'refused') return refuseReplay(original)
      if (!stillHolds(state, command, event, time)) throw new ChartwardenError('STALE_REQUEST')
      return {
        event,
        entry: original,
        replayed: true,
        obligations: again.kind === 'change' ? again.obligations : [],
        notes: notesOn(state, command),
      }
    }

    /** What records nothing is answered only on a state that is current; and a repeat of what succeeded before is not an error. */
    const settle = async (
      planned: Extract<AdministrationOutcome, { kind: 'error' } | { kind: 'standing' }>,
    ): Promise<Administered | 'plan again'> => {
      const before = state.revision
      await writer.refresh()
      if (state.revision !== before) return 'plan again'
      const standing = planned.kind === 'standing' ? [planned.entryId] : []
      const found = await ledger.find(clinic, [id, ...standing])
      const original = found.get(id)
      if (original !== undefined) {
        if (!Buffer.from(original.requestDigest).equals(digest)) throw new ChartwardenError('REQUEST_MISMATCH')
        return replay(original, now())
      }
      if (planned.kind === 'error') throw errorOf(planned)
      return replay(found.get(planned.entryId) as StoredEntry, now())
    }

    for (;;) {
      if (clock.monotonic() > context.deadline) throw new ChartwardenError('DEADLINE_EXCEEDED')
      const sealsUnderAsker = sealed !== undefined && (sealed.under === undefined || sealed.under === 'ofEvent')
      try {
        const planned = plan(now())
        if (planned.kind === 'error' || planned.kind === 'standing') {
          const settled = await settle(planned)
          if (settled === 'plan again') continue
          return settled
        }
        const namesAsker = person !== undefined || sealsUnderAsker || planned.kind === 'refused'
        const concerned = namesAsker ? [...mentioned, asker] : mentioned
        await identities.introduce(clinic, vault, concerned, provenanceOf(context), context.deadline)
        let notes: readonly string[] = []
        const committed = await writer.commit<AdministrationOutcome>(
          {
            decide: (_, time) => {
              notes = notesOn(state, command)
              return plan(time)
            },
            notAfter: (outcome) => (outcome.kind === 'change' ? outcome.notAfter : undefined),
            entries: async (outcome, time, stateRevision) => {
              if (outcome.kind === 'error' || outcome.kind === 'standing') throw new PlanChanged()
              const common = { clinic, id, time, provenance: provenanceOf(context), requestDigest: digest }
              if (outcome.kind === 'refused') {
                // Refused only since it was planned: whoever asks has to stand in the ledger first.
                if (!namesAsker) throw new PlanChanged()
                return [await refusalEntry(outcome, { id, time }, stateRevision)]
              }
              return Promise.all(
                outcome.events.map(async (planned, ordinal) => {
                  const eventId = ordinal === 0 ? id : writer.entryId(request.operation, request.requestId, ordinal)
                  const event = (await complete?.(planned, eventId)) ?? planned
                  return composeEntry(vault, randomness, {
                    ...common,
                    id: eventId,
                    type: event.type,
                    stateChanging: stateChanging[event.type],
                    data: event.data,
                    ...sealedPart(event),
                  })
                }),
              )
            },
          },
          context.deadline,
        )
        if (committed.kind === 'mismatch') throw new ChartwardenError('REQUEST_MISMATCH')
        if (committed.kind === 'duplicate') return await replay(committed.originals[0] as StoredEntry, committed.now)
        const entry = committed.entries[0] as StoredEntry
        const event = decodeEntry(entry) as AccessEvent
        if (event.type === 'chartwarden.access.decided.v1') throw notPermitted(event.data)
        const obligations = committed.decided.kind === 'change' ? committed.decided.obligations : []
        return { event, entry, replayed: false, obligations, notes }
      } catch (error) {
        if (!(error instanceof PlanChanged)) throw error
      }
    }
  }
}

/** The catalogue error of a command that cannot be carried out. */
export const errorOf = ({ reason, fields }: Extract<AdministrationOutcome, { kind: 'error' }>): ChartwardenError =>
  fields === undefined
    ? new ChartwardenError(reason)
    : new ChartwardenError(reason, { fields, message: fields.map(({ field, description }) => `${field}: ${description}`).join('; ') })

const notPermitted = (decided: AccessDecided): ChartwardenError =>
  new ChartwardenError('NOT_PERMITTED', {
    metadata: { reason_code: decided.reason_code, needs: `${decided.resource_type} ${decided.action}` },
  })

/** The patient an event concerns. */
const patientOf = ({ data }: PlannedEvent): Pseudonym | undefined => ('patient' in data ? data.patient : undefined)

/** `refused` is the person named, or the calling software where it asks for nobody. */
const refusedData = (
  refused: SubjectReference,
  outcome: Extract<AdministrationOutcome, { kind: 'refused' }>,
  operation: string,
  stateRevision: bigint,
  supersedes: string | undefined,
): AccessDecided => {
  const { decision } = outcome
  return {
    decision: 'deny',
    reason_code: decision.reasonCode,
    rule: decision.rule,
    obligations: decision.obligations,
    intent: 'access',
    subject: refused,
    action: outcome.action,
    resource_type: outcome.resourceType,
    ...(outcome.patient === undefined ? {} : { patient: outcome.patient }),
    purpose: outcome.purpose ?? '',
    roles: decision.roles,
    state_revision: Number(stateRevision),
    ...(supersedes === undefined ? {} : { supersedes }),
    operation,
  }
}
