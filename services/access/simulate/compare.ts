/** The same questions decided under two policies, and where the answers differ. Pure. */
import { canonicalJson, type JsonValue } from '../../kernel/canonical-json.ts'
import { type AccessDecision, type AccessRequest, decide } from '../decide.ts'
import type { ObligationData } from '../events.ts'
import { isKept } from '../kept-attributes.ts'
import { type EffectivePermission, eachPermission } from '../policy/roles.ts'
import { isInForce } from '../state/period.ts'
import type { ClinicState } from '../state.ts'

/** A question asked anew. */
export interface Asked {
  readonly request: AccessRequest
  /** For a recorded decision: what its entry tells. Undefined: a question of now, of which everything is known. */
  readonly recorded?: {
    /** Paths of which the entry says the value, or that there was none. */
    readonly known: ReadonlySet<string>
    /** The entry says which duties the caller carried out. */
    readonly obligationsKept: boolean
  }
}

export type Compared =
  | { readonly kind: 'same' }
  | { readonly kind: 'changed'; readonly today: AccessDecision; readonly proposed: AccessDecision }
  | { readonly kind: 'attribute_not_kept'; readonly attributes: readonly string[] }
  | { readonly kind: 'obligations_not_kept' }

/** Permissions that the decision may look into: of roles in force, for this type, action and purpose. */
const reachable = (state: ClinicState, request: AccessRequest, now: number): readonly EffectivePermission[] => {
  const found: EffectivePermission[] = []
  const { subject, resourceType, action, purpose } = request
  for (const grant of state.grants.bySubject.get(subject.pseudonym) ?? []) {
    if (!isInForce(grant, now)) continue
    eachPermission(state.roles, grant.role, resourceType, action, (permission) => {
      if (purpose === undefined || permission.purposes.has(purpose)) found.push(permission)
    })
  }
  return found
}

/** Whether an entry tells of a path: of itself, or of something that it is part of. */
const isKnown = (known: ReadonlySet<string>, path: string): boolean => {
  for (let end = path.length; end > 0; end = path.lastIndexOf('.', end - 1)) if (known.has(path.slice(0, end))) return true
  return false
}

/** Duties without their ids, which only say where they stand. */
const duties = (obligations: readonly ObligationData[]): string =>
  canonicalJson(obligations.map(({ type, properties }) => canonicalJson({ type, properties } as JsonValue)).sort())

/** What an entry does not tell and one of the policies asks. */
const unknownTo = (
  { request, recorded }: Asked,
  states: readonly ClinicState[],
  now: number,
): Extract<Compared, { kind: 'attribute_not_kept' | 'obligations_not_kept' }> | undefined => {
  if (recorded === undefined) return undefined
  const permissions = states.flatMap((state) => reachable(state, request, now))
  const named = permissions.flatMap(({ condition }) => condition?.attributes ?? [])
  const attributes = [...new Set(named)].filter((path) => isKept(path) && !isKnown(recorded.known, path)).sort()
  if (attributes.length > 0) return { kind: 'attribute_not_kept', attributes }
  return !recorded.obligationsKept && permissions.some(({ obligations }) => obligations.length > 0)
    ? { kind: 'obligations_not_kept' }
    : undefined
}

/** Whether the answer would be another one: the decision, or the duties that come with a permit. */
export const compare = (today: ClinicState, proposed: ClinicState, asked: Asked, now: number): Compared => {
  const unknown = unknownTo(asked, [today, proposed], now)
  if (unknown !== undefined) return unknown
  const before = decide(today, asked.request, now)
  const after = decide(proposed, asked.request, now)
  return before.decision === after.decision && duties(before.obligations) === duties(after.obligations)
    ? { kind: 'same' }
    : { kind: 'changed', today: before, proposed: after }
}
