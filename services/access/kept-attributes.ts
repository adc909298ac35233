/**
 * What an entry keeps of the properties and the context of a request: those that the clinic's conditions name, and labels that were stated,
 * so that the decision can be understood and made again under another policy. Nothing else of them is kept anywhere.
 */
import { canonicalJson, type JsonValue } from '../kernel/canonical-json.ts'
import { factsOf } from './decide/facts.ts'
import { descriptionOf, withKnownPatient } from './decide/labels-of.ts'
import type { AccessRequest } from './decide/request.ts'
import type { ConditionFacts } from './policy/condition.ts'
import { namedAttributes } from './policy/roles.ts'
import type { SubjectState } from './state/subjects.ts'
import type { ClinicState } from './state.ts'

/** As the sealed part of a decision holds them; see `AccessDecided`. */
export interface KeptAttributes {
  readonly attributes?: { readonly [path: string]: JsonValue }
  readonly absent?: readonly string[]
  readonly too_long?: readonly string[]
  readonly incomplete?: true
}

/** One value, as canonical JSON. */
const maxValueBytes = 1_024
/** All of it. With the longest record id, reason and obligations, the entry stays below what a ledger takes. */
const maxBytes = 12 * 1_024

const nothing: KeptAttributes = {}

/** Facts that no request can set; the entry says them already. */
const unkept: ReadonlySet<string> = new Set(['context.time', 'context.caller', 'context.purpose'])
/** Where attributes stand; what follows is the key as it is, dots included. */
const places: readonly { readonly prefix: string; readonly values: (facts: ConditionFacts) => object }[] = [
  { prefix: 'subject.properties.', values: ({ subject }) => subject.properties },
  { prefix: 'resource.properties.', values: ({ resource }) => resource.properties },
  { prefix: 'action.properties.', values: ({ action }) => action.properties },
  { prefix: 'context.', values: ({ context }) => context },
]

const placeOf = (path: string) => places.find(({ prefix }) => path.startsWith(prefix))

/** Whether a path is one of properties or context: those that a request or a directory sets. */
export const isKept = (path: string): boolean => !unkept.has(path) && placeOf(path) !== undefined

const labelPaths = ['confidentiality', 'sensitivities'] as const

/** Own members only: a path is text that somebody wrote into a role. */
const valueAt = (facts: ConditionFacts, path: string): JsonValue | undefined => {
  const place = placeOf(path)
  if (place === undefined) return undefined
  const values = place.values(facts) as { readonly [name: string]: JsonValue | undefined }
  const key = path.slice(place.prefix.length)
  return Object.hasOwn(values, key) ? values[key] : undefined
}

/** Somebody nobody knows has no more than the directory and the request say. */
const stranger = (request: AccessRequest): SubjectState => ({
  reference: request.subject,
  status: 'active',
  known: false,
  ownPatient: undefined,
  memberOf: [],
  cutOff: undefined,
  offboarding: undefined,
})

interface Found {
  readonly path: string
  readonly value: JsonValue | undefined
}

const bytesOf = (value: JsonValue): number => Buffer.byteLength(canonicalJson(value), 'utf8')

/** Collects within the bounds: names first, then the values there is room for. What does not fit is said. */
const collect = (found: readonly Found[]): KeptAttributes => {
  const attributes: Record<string, JsonValue> = {}
  const absent: string[] = []
  const tooLong: string[] = []
  let bytes = 0
  const nameable = found.filter(({ path }) => {
    const nameBytes = bytesOf(path) + 2
    if (bytes + nameBytes > maxBytes) return false
    bytes += nameBytes
    return true
  })
  for (const { path, value } of nameable) {
    if (value === undefined) {
      absent.push(path)
      continue
    }
    const valueBytes = bytesOf(value)
    if (valueBytes > maxValueBytes || bytes + valueBytes > maxBytes) {
      tooLong.push(path)
      continue
    }
    bytes += valueBytes
    attributes[path] = value
  }
  return {
    ...(Object.keys(attributes).length === 0 ? {} : { attributes }),
    ...(absent.length === 0 ? {} : { absent }),
    ...(tooLong.length === 0 ? {} : { too_long: tooLong }),
    ...(nameable.length < found.length ? { incomplete: true } : {}),
  }
}

/**
 * What is kept of a request decided on this state: values as conditions see them, stored and stated ones merged. `now` is ledger time in
 * milliseconds since the epoch. Costs nothing to speak of where no condition and no stated label is concerned.
 */
export const keptAttributes = (state: ClinicState, asked: AccessRequest, now: number): KeptAttributes => {
  const named = namedAttributes(state.roles)
  const stated = asked.stated?.resource
  const labels = stated === undefined ? [] : labelPaths.filter((name) => stated[name] !== undefined)
  if (named.length === 0 && labels.length === 0) return nothing
  const paths = named.filter(isKept)
  const request = withKnownPatient(asked, descriptionOf(state, asked))
  const subject = state.subjects.get(request.subject.pseudonym) ?? stranger(request)
  const facts = factsOf({ state, request, subject, now })
  const statedOnly = labels.filter((name) => !paths.includes(`resource.properties.${name}`))
  return collect([
    ...statedOnly.map((name) => ({ path: `resource.properties.${name}`, value: stated?.[name] })),
    ...paths.map((path) => ({ path, value: valueAt(facts, path) })),
  ])
}
