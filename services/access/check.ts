/** One question and its recorded answer (docs/explanation/deciding.md). */
import { composeEntry } from '../audit/compose-entry.ts'
import type { Provenance } from '../audit/entry.ts'
import type { Identities } from '../audit/identities.ts'
import type { NewEntry, StoredEntry } from '../audit/ledger.ts'
import type { ClinicVault, Identity, Pseudonym } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import { canonicalJson, type JsonValue } from '../kernel/canonical-json.ts'
import { ChartwardenError, toChartwardenError } from '../kernel/errors.ts'
import type { Randomness } from '../kernel/ids.ts'
import type { ClinicWriter, ClinicWriters, Transaction } from './clinic-writer.ts'
import { type AccessDecision, type AccessRequest, decide } from './decide.ts'
import { decodeEntry } from './event-codec.ts'
import type { AccessDecided } from './events.ts'
import { type KeptAttributes, keptAttributes } from './kept-attributes.ts'
import type { AccessObserver } from './observer.ts'
import { patientIdOf } from './patient-of.ts'
import { checkSignIn } from './person.ts'
import { patientResource } from './state/directory.ts'
import type { ClinicState } from './state.ts'

type JsonObject = { readonly [name: string]: JsonValue | undefined }

/** A well-formed question; the door has checked sizes and codes. Times in milliseconds since the epoch. */
export interface Question {
  /** UUID; the door has replaced an empty one. */
  readonly requestId: string
  readonly clinic: string
  readonly subject: { readonly type: string; readonly id: string; readonly properties?: JsonObject }
  readonly action: { readonly name: string; readonly properties?: JsonObject }
  readonly resource: { readonly type: string; readonly id: string; readonly patientId: string; readonly properties?: JsonObject }
  readonly purpose: string
  readonly reason: string
  readonly context?: JsonObject
  readonly session?: { readonly id: string; readonly issuedAt?: number; readonly method: string }
  readonly intent: 'access' | 'probe'
  readonly supportedObligations: readonly string[]
}

/** The answer as it stands in the ledger. */
export interface Answer {
  readonly decided: AccessDecided
  readonly entry: StoredEntry
  readonly replayed: boolean
}

export interface CheckOptions {
  readonly writers: ClinicWriters
  readonly identities: Identities
  readonly randomness: Randomness
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  readonly observer?: AccessObserver | undefined
}

/** Answers a question; the answer's entry is durable when the promise resolves. */
export type Check = (context: CallContext, question: Question) => Promise<Answer>

const decidedType = 'chartwarden.access.decided.v1'

export const provenanceOf = (context: CallContext): Provenance => ({
  caller: context.caller.id,
  correlationId: context.correlationId,
  ...(context.traceparent === undefined ? {} : { traceparent: context.traceparent }),
})

/** The request without its id, trace and session: what makes two questions the same. */
const canonicalQuestion = (caller: string, question: Question): string => {
  try {
    return canonicalJson({
      operation: 'check',
      caller,
      clinic: question.clinic,
      subject: question.subject,
      action: question.action,
      resource: question.resource,
      purpose: question.purpose,
      reason: question.reason,
      context: question.context,
      intent: question.intent,
      supported_obligations: question.supportedObligations.toSorted(),
    })
  } catch (cause) {
    throw new ChartwardenError('INVALID_ARGUMENT', { message: 'The request holds text or numbers that JSON cannot carry exactly.', cause })
  }
}

const identitiesOf = (question: Question): Identity[] => {
  const subject: Identity = { kind: 'subject', type: question.subject.type, id: question.subject.id }
  const patientId = patientIdOf(question.resource)
  return patientId === '' ? [subject] : [subject, { kind: 'patient', type: '', id: patientId }]
}

/** A question as decisions know it. `asked` says which software asks and whether what it states takes the place of what is stored. */
export const accessRequestOf = (
  vault: ClinicVault,
  question: Omit<Question, 'requestId' | 'clinic' | 'reason' | 'intent'>,
  asked: { readonly caller: string; readonly override: boolean },
): AccessRequest => {
  const { subject, action, resource, session } = question
  const patientId = patientIdOf(resource)
  const patient = patientId === '' ? undefined : vault.pseudonym({ kind: 'patient', type: '', id: patientId })
  let record: Pseudonym | undefined
  return {
    subject: { type: subject.type, pseudonym: vault.pseudonym({ kind: 'subject', type: subject.type, id: subject.id }) },
    action: action.name,
    resourceType: resource.type,
    /** Worked out when it is first asked for: only a share of single records and a directory ask. */
    get record() {
      record ??=
        resource.type === patientResource && patient !== undefined
          ? patient
          : vault.pseudonym({ kind: 'record', type: resource.type, id: resource.id })
      return record
    },
    ...(patient === undefined ? {} : { patient }),
    purpose: question.purpose,
    ...(session === undefined ? {} : { session: session.issuedAt === undefined ? {} : { issuedAt: session.issuedAt } }),
    supportedObligations: new Set(question.supportedObligations),
    stated: {
      subject: subject.properties,
      action: action.properties,
      resource: resource.properties,
      context: question.context,
      ...asked,
    },
  }
}

const sessionData = (session: Question['session']): AccessDecided['session'] =>
  session === undefined
    ? undefined
    : {
        ...(session.issuedAt === undefined ? {} : { issued_at: new Date(session.issuedAt).toISOString() }),
        ...(session.method === '' ? {} : { method: session.method }),
      }

/** Whether something stated may have taken the place of what is stored; who decides the question again must know. */
const overriding = ({ stated }: AccessRequest): Pick<AccessDecided, 'override'> =>
  stated?.override === true && (stated.subject !== undefined || stated.resource !== undefined) ? { override: true } : {}

const patientData = (patient: Pseudonym | undefined): Pick<AccessDecided, 'patient'> => (patient === undefined ? {} : { patient })

/** The part of a decision entry that stays readable. */
export const decidedData = (
  request: AccessRequest,
  decision: AccessDecision,
  stateRevision: bigint,
  rest: Pick<AccessDecided, 'intent'> & Partial<Pick<AccessDecided, 'session' | 'supersedes' | 'operation' | 'override'>>,
): AccessDecided => ({
  decision: decision.decision,
  reason_code: decision.reasonCode,
  rule: decision.rule,
  obligations: decision.obligations,
  subject: request.subject,
  action: request.action,
  resource_type: request.resourceType,
  ...patientData(decision.patient ?? request.patient),
  purpose: request.purpose ?? '',
  roles: decision.roles,
  state_revision: Number(stateRevision),
  ...(decision.decision === 'deny' || decision.overrode === undefined
    ? {}
    : { overrode: { reason_code: decision.overrode.reasonCode, rule: decision.overrode.rule } }),
  ...rest,
})

/** An answer with what its entry keeps of the attributes it rests on, both of one state. */
interface Deciding {
  readonly decision: AccessDecision
  readonly kept: KeptAttributes
}

const deciding = (state: ClinicState, request: AccessRequest, time: number): Deciding => ({
  decision: decide(state, request, time),
  kept: keptAttributes(state, request, time),
})

/** Whether a stored permit is what would be decided now, of the same patient. */
const sameDecision = (stored: AccessDecided, fresh: AccessDecision): boolean =>
  stored.decision === fresh.decision &&
  stored.patient === fresh.patient &&
  canonicalJson(stored.obligations as unknown as JsonValue) === canonicalJson(fresh.obligations as unknown as JsonValue)

export const createCheck = ({ writers, identities, randomness, now, observer }: CheckOptions): Check => {
  const compose = async (
    writer: ClinicWriter,
    context: CallContext,
    question: Question,
    digest: Uint8Array,
    entry: {
      readonly id: string
      readonly time: number
      readonly data: AccessDecided
      readonly kept: KeptAttributes
      readonly causationId?: string
    },
  ): Promise<NewEntry> =>
    composeEntry(writer.vault, randomness, {
      clinic: writer.clinic,
      id: entry.id,
      type: decidedType,
      stateChanging: false,
      time: entry.time,
      provenance: { ...provenanceOf(context), ...(entry.causationId === undefined ? {} : { causationId: entry.causationId }) },
      requestDigest: digest,
      data: entry.data,
      sealed: {
        under: entry.data.patient ?? entry.data.subject.pseudonym,
        value: {
          resource_id: question.resource.id,
          reason: question.reason === '' ? undefined : question.reason,
          session_id: question.session === undefined || question.session.id === '' ? undefined : question.session.id,
          supported_obligations: question.supportedObligations.toSorted(),
          ...entry.kept,
        },
      },
    })

  const readDecision = (entry: StoredEntry): AccessDecided => {
    const event = decodeEntry(entry)
    if (event?.type !== decidedType) throw new ChartwardenError('INTERNAL', { cause: new Error('a check id names another kind of entry') })
    return event.data
  }

  /** A repeated question whose stored permit no longer holds: a deny of its own, resting on the state that took the permit away. */
  const refuseStale = async (
    writer: ClinicWriter,
    context: CallContext,
    question: Question,
    request: AccessRequest,
    digest: Uint8Array,
    original: StoredEntry,
  ): Promise<Answer> => {
    const committed = await writer.commit<Deciding>(
      {
        decide: (state, time) => deciding(state, request, time),
        notAfter: () => undefined,
        entries: async ({ decision: fresh, kept }, time, stateRevision) => [
          await compose(writer, context, question, digest, {
            id: writer.entryId('stale', original.id, Number(stateRevision)),
            time,
            kept,
            causationId: original.id,
            data: decidedData(
              request,
              { ...fresh, decision: 'deny', reasonCode: 'stale_request', rule: '', obligations: [] },
              stateRevision,
              { intent: question.intent, ...overriding(request), supersedes: original.id },
            ),
          }),
        ],
      },
      context.deadline,
    )
    if (committed.kind === 'mismatch') throw new ChartwardenError('REQUEST_MISMATCH')
    const entry = (committed.kind === 'stored' ? committed.entries : committed.originals)[0] as StoredEntry
    return { decided: readDecision(entry), entry, replayed: committed.kind === 'duplicate' }
  }

  const answer: Check = async (context, question) => {
    const { session } = question
    checkSignIn('session', session, now())
    const writer = await writers.open(question.clinic)
    const digest = writer.vault.requestDigest(canonicalQuestion(context.caller.id, question))
    await identities.introduce(writer.clinic, writer.vault, identitiesOf(question), provenanceOf(context), context.deadline)
    const override = context.caller.scopes.has('directory.override')
    const request = accessRequestOf(writer.vault, question, { caller: context.caller.id, override })
    const id = writer.entryId('check', question.requestId, 0)
    const recorded = sessionData(session)
    const rest = { intent: question.intent, ...overriding(request), ...(recorded === undefined ? {} : { session: recorded }) }
    let data: AccessDecided | undefined
    const transaction: Transaction<Deciding> = {
      decide: (state, time) => deciding(state, request, time),
      notAfter: ({ decision }) => decision.notAfter,
      traced: ({ decision }) => ({ 'chartwarden.decision': decision.decision, 'chartwarden.reason_code': decision.reasonCode }),
      entries: async ({ decision, kept }, time, stateRevision) => {
        data = decidedData(request, decision, stateRevision, rest)
        return [await compose(writer, context, question, digest, { id, time, data, kept })]
      },
    }
    const committed = await writer.commit(transaction, context.deadline)
    switch (committed.kind) {
      case 'mismatch':
        throw new ChartwardenError('REQUEST_MISMATCH')
      case 'stored': {
        // The last entries made are the ones that were stored.
        return { decided: data as AccessDecided, entry: committed.entries[0] as StoredEntry, replayed: false }
      }
      case 'duplicate': {
        const original = committed.originals[0] as StoredEntry
        const decided = readDecision(original)
        if (decided.decision === 'deny' || sameDecision(decided, decide(writer.state, request, committed.now))) {
          return { decided, entry: original, replayed: true }
        }
        return refuseStale(writer, context, question, request, digest, original)
      }
    }
  }

  return observer === undefined ? answer : observed(answer, observer)
}

const observed =
  (check: Check, observer: AccessObserver): Check =>
  async (context, question) => {
    observer.asked({ intent: question.intent, method: context.method })
    try {
      const answer = await check(context, question)
      observer.answered(answer.decided, answer.replayed)
      return answer
    } catch (thrown) {
      observer.failed(toChartwardenError(thrown).reason)
      throw thrown
    }
  }
