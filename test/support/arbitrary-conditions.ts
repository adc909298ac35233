/** A few conditions, each beside the same thing written in TypeScript. */
import fc from 'fast-check'
import type { ConditionFacts } from '../../services/access/policy/condition.ts'

/** `error` where the expression cannot be evaluated. */
type Predicate = (facts: ConditionFacts) => boolean | 'error'

const timeless: Readonly<Record<string, Predicate>> = {
  "resource.properties.status == 'open'": ({ resource }) =>
    resource.properties['status'] === undefined ? 'error' : resource.properties['status'] === 'open',
  "has(resource.properties.status) && resource.properties.status == 'open'": ({ resource }) => resource.properties['status'] === 'open',
  "subject.properties.level == 'senior'": ({ subject }) =>
    subject.properties['level'] === undefined ? 'error' : subject.properties['level'] === 'senior',
  "context.purpose == 'TREAT'": ({ context }) => context.purpose === 'TREAT',
  '!has(resource.properties.status)': ({ resource }) => resource.properties['status'] === undefined,
  "subject.type == 'staff'": ({ subject }) => subject.type === 'staff',
  'resource.has_patient && !resource.own_record': ({ resource }) => resource.has_patient && !resource.own_record,
  "resource.properties.confidentiality == 'N'": ({ resource }) => resource.properties['confidentiality'] === 'N',
  'size(resource.properties.status) > 2': ({ resource }) =>
    resource.properties['status'] === undefined ? 'error' : `${resource.properties['status']}`.length > 2,
}

const untimely: Readonly<Record<string, Predicate>> = {
  "context.time < timestamp('2026-11-23T12:00:00Z')": ({ context }) => context.time.getTime() < Date.parse('2026-11-23T12:00:00Z'),
}

const predicates: Readonly<Record<string, Predicate>> = { ...timeless, ...untimely }

export const predicateOf = (source: string): Predicate => {
  const predicate = predicates[source]
  if (predicate === undefined) throw new Error(`no predicate for ${source}`)
  return predicate
}

/** `clock`: whether some of them depend on the time. */
export const conditions = ({ clock = true } = {}): fc.Arbitrary<string> =>
  fc.constantFrom(...Object.keys(clock ? predicates : timeless)).filter(() => true)
