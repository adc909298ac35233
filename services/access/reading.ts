/** Reading the audit log is itself an access: decided for the person named, and recorded before anything is shown. */
import { composeEntry } from '../audit/compose-entry.ts'
import type { Identities } from '../audit/identities.ts'
import type { NewEntry, StoredEntry } from '../audit/ledger.ts'
import type { Identity, Pseudonym } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import { canonicalJson, type JsonValue } from '../kernel/canonical-json.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import type { Randomness } from '../kernel/ids.ts'
import type { PersonNeeds, Scope } from '../kernel/scopes.ts'
import { decidedData, provenanceOf } from './check.ts'
import type { ClinicWriter, ClinicWriters } from './clinic-writer.ts'
import { type AccessDecision, decide } from './decide.ts'
import type { TrailViewed } from './events.ts'
import { type ActingPerson, actingPerson, identityOfPerson, type NamedPerson, requirePerson } from './person.ts'
import type { ClinicState } from './state.ts'

type Needs = Exclude<PersonNeeds, string>

/** One reading before it is answered. */
export interface ReadingRequest {
  readonly clinic: string
  readonly onBehalfOf?: NamedPerson
  /** E.g. `access_history`, `read_entries`. */
  readonly query: string
  readonly scope: Scope
  readonly needs: Needs
  /** What the person named must be allowed besides. */
  readonly alsoNeeds?: Needs
  /** `viewing` writes one entry of the audit trail being viewed; `decision` one decision where a person is named; `none` only decides. */
  readonly record: 'viewing' | 'decision' | 'none'
  readonly streamed: boolean
  readonly subject?: { readonly type: string; readonly id: string }
  readonly patientId?: string
  /** The patient concerned where the request names none: told of the state that the recorded reading rests on. */
  readonly patientIn?: (writer: ClinicWriter) => Pseudonym | undefined
  /** The whole filter; kept sealed. */
  readonly filter: JsonValue
}

export interface Authorised {
  readonly writer: ClinicWriter
  /** Revision of the entry that records the reading; undefined when none was written. */
  readonly revision: bigint | undefined
  /** That entry. */
  readonly entry: StoredEntry | undefined
  /** From then on the person has to be decided anew, milliseconds since the epoch. */
  readonly notAfter: number | undefined
}

export interface ReadingOptions {
  readonly writers: ClinicWriters
  readonly identities: Identities
  readonly randomness: Randomness
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

/** Decides and records a reading. Throws NOT_PERMITTED after the refusal is recorded. */
export type AuthoriseReading = (context: CallContext, request: ReadingRequest) => Promise<Authorised>

type Verdict =
  | { readonly kind: 'permitted'; readonly rule: string; readonly decision?: AccessDecision; readonly needs: Needs }
  | { readonly kind: 'refused'; readonly decision: AccessDecision; readonly needs: Needs }

/** The first refusal, or the permits of everything needed: their rules with a space between, until the first of them ends. */
const judge = (state: ClinicState, person: ActingPerson | undefined, request: ReadingRequest, time: number): Verdict => {
  const { needs, alsoNeeds } = request
  if (person === undefined) return { kind: 'permitted', rule: `scope/${request.scope}`, needs }
  const decision = decide(state, personRequest(person, needs), time)
  if (decision.decision === 'deny') return { kind: 'refused', decision, needs }
  if (alsoNeeds === undefined) return { kind: 'permitted', rule: decision.rule, decision, needs }
  const other = decide(state, personRequest(person, alsoNeeds), time)
  if (other.decision === 'deny') return { kind: 'refused', decision: other, needs: alsoNeeds }
  const notAfter = Math.min(decision.notAfter ?? Number.POSITIVE_INFINITY, other.notAfter ?? Number.POSITIVE_INFINITY)
  const both = Number.isFinite(notAfter) ? { ...decision, notAfter } : decision
  return { kind: 'permitted', rule: `${decision.rule} ${other.rule}`, decision: both, needs }
}

const personRequest = (person: ActingPerson, needs: Needs) => ({
  subject: person.subject,
  action: needs.action,
  resourceType: needs.resourceType,
  purpose: undefined,
  ...(person.session === undefined ? {} : { session: person.session }),
  supportedObligations: new Set<string>(),
})

export const createAuthoriseReading = ({ writers, identities, randomness, now }: ReadingOptions): AuthoriseReading => {
  return async (context, request) => {
    const named = requirePerson(context.caller, request.onBehalfOf, now())
    const writer = await writers.open(request.clinic)
    const { clinic, vault } = writer
    const person = named === undefined ? undefined : actingPerson(vault, named)
    // Where the calling software reads for nobody, it is the one whose reading is recorded: a subject of type "service".
    const asker: Identity = named === undefined ? { kind: 'subject', type: 'service', id: context.caller.id } : identityOfPerson(named)
    const requestId = randomness.uuid()
    const digest = vault.requestDigest(canonicalJson({ operation: request.query, requestId }))

    const viewing = (verdict: Extract<Verdict, { kind: 'permitted' }>, common: EntryCommon): Promise<NewEntry> => {
      const patient =
        request.patientId === undefined || request.patientId === ''
          ? request.patientIn?.(writer)
          : vault.pseudonym({ kind: 'patient', type: '', id: request.patientId })
      const data: TrailViewed = {
        actor: { rule: verdict.rule, ...(person === undefined ? {} : { subject: person.subject }) },
        query: request.query,
        streamed: request.streamed,
        ...(request.subject === undefined
          ? {}
          : {
              subject: {
                type: request.subject.type,
                pseudonym: vault.pseudonym({ kind: 'subject', type: request.subject.type, id: request.subject.id }),
              },
            }),
        ...(patient === undefined ? {} : { patient }),
      }
      return composeEntry(vault, randomness, {
        ...common,
        type: 'chartwarden.trail.viewed.v1',
        stateChanging: false,
        data,
        sealed: { under: vault.pseudonym(asker), value: { filter: request.filter } },
      })
    }
    const decision = (
      actor: ActingPerson,
      { decision: decided, needs }: { readonly decision: AccessDecision; readonly needs: Needs },
      stateRevision: bigint,
      common: EntryCommon,
    ): Promise<NewEntry> =>
      composeEntry(vault, randomness, {
        ...common,
        type: 'chartwarden.access.decided.v1',
        stateChanging: false,
        data: decidedData(personRequest(actor, needs), decided, stateRevision, { intent: 'access', operation: request.query }),
        sealed: { under: actor.subject.pseudonym, value: { resource_id: request.query } },
      })

    // With nothing to record on a permit, the state just refreshed decides; a refusal is recorded all the same.
    if (request.record !== 'viewing') {
      await writer.refresh()
      const verdict = judge(writer.state, person, request, now())
      if (verdict.kind === 'permitted' && (request.record === 'none' || person === undefined)) {
        return { writer, revision: undefined, entry: undefined, notAfter: verdict.decision?.notAfter }
      }
    }
    await identities.introduce(clinic, vault, [asker], provenanceOf(context), context.deadline)
    const committed = await writer.commit<Verdict>(
      {
        decide: (state, time) => judge(state, person, request, time),
        notAfter: (verdict) => verdict.decision?.notAfter,
        entries: async (verdict, time, stateRevision) => {
          const common = {
            clinic,
            id: writer.entryId(request.query, requestId, 0),
            time,
            provenance: provenanceOf(context),
            requestDigest: digest,
          }
          if (verdict.kind === 'permitted' && request.record === 'viewing') return [await viewing(verdict, common)]
          if (person === undefined || verdict.decision === undefined) {
            throw new ChartwardenError('INTERNAL', { cause: new Error('a reading without a person has nothing to record') })
          }
          return [await decision(person, { decision: verdict.decision, needs: verdict.needs }, stateRevision, common)]
        },
      },
      context.deadline,
    )
    if (committed.kind !== 'stored') throw new ChartwardenError('INTERNAL', { cause: new Error(`a new reading was ${committed.kind}`) })
    if (committed.decided.kind === 'refused') {
      throw new ChartwardenError('NOT_PERMITTED', {
        metadata: {
          reason_code: committed.decided.decision.reasonCode,
          needs: `${committed.decided.needs.resourceType} ${committed.decided.needs.action}`,
        },
      })
    }
    const entry = committed.entries[0] as StoredEntry
    return { writer, revision: entry.revision, entry, notAfter: committed.decided.decision?.notAfter }
  }
}

interface EntryCommon {
  readonly clinic: string
  readonly id: string
  readonly time: number
  readonly provenance: ReturnType<typeof provenanceOf>
  readonly requestDigest: Uint8Array
}
