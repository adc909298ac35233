/**
 * Which events belong to one course of care, so that what one of them leaves out can be taken from the others: those that share a care plan
 * or request (`basedOn`) or an encounter, however long the chain. An event that names none belongs to the case on both sides of it.
 * Takes memory with the number of cases, not of events.
 */
import type { AuditEvent } from './audit-event.ts'
import type { NamedResource } from './fhir-reference.ts'

/** What a case says. `several`: it says more than one thing, so it says nothing. */
export type FromCase = { readonly kind: 'one'; readonly resource: NamedResource } | { readonly kind: 'none' } | { readonly kind: 'several' }

export interface Case {
  readonly patient: FromCase
  /** Who acted in it. */
  readonly subject: FromCase
  /** Stands for the patient of a case that names none: its first care plan or request, else its first encounter. */
  readonly surrogate: NamedResource
}

export interface Cases {
  /** Takes note of an event; `line` counts up. `subject`: who acted, if it says so. */
  note(line: number, event: AuditEvent, subject: NamedResource | undefined): void
  /** The case of an event, once all are noted; undefined when it has none. */
  caseOf(line: number, event: AuditEvent): Case | undefined
}

interface Group {
  parent: Group | undefined
  patient: FromCase
  subject: FromCase
  /** With the line that first says so. */
  plan: Named | undefined
  encounter: Named | undefined
}

interface Named {
  readonly line: number
  readonly resource: NamedResource
}

const earlier = (left: Named | undefined, right: Named | undefined): Named | undefined =>
  left === undefined || right === undefined ? (left ?? right) : left.line <= right.line ? left : right

/** Adds to one group what another says. */
const add = (group: Group, other: Group): void => {
  group.patient = join(group.patient, other.patient)
  group.subject = join(group.subject, other.subject)
  group.plan = earlier(group.plan, other.plan)
  group.encounter = earlier(group.encounter, other.encounter)
}

const none: FromCase = { kind: 'none' }

const join = (left: FromCase, right: FromCase): FromCase => {
  if (left.kind === 'none') return right
  if (right.kind === 'none') return left
  if (left.kind === 'one' && right.kind === 'one' && left.resource.reference === right.resource.reference) return left
  return { kind: 'several' }
}

const rootOf = (group: Group): Group => {
  let root = group
  while (root.parent !== undefined) root = root.parent
  for (let at = group; at !== root; ) {
    const { parent } = at
    at.parent = root
    at = parent as Group
  }
  return root
}

const namesOf = ({ basedOn, encounter }: AuditEvent): readonly NamedResource[] => [
  ...basedOn,
  ...(encounter === undefined ? [] : [encounter]),
]

export const createCases = (): Cases => {
  const groups = new Map<string, Group>()
  /** Lines that name no case, with the one before each and the one after it. */
  const between = new Map<number, { readonly before: Group; after: Group | undefined }>()
  let before: Group | undefined
  let waiting: number[] = []

  const groupOf = (event: AuditEvent): Group | undefined => {
    const found = namesOf(event).flatMap(({ reference }) => groups.get(reference) ?? [])
    return found[0] === undefined ? undefined : rootOf(found[0])
  }

  const joined = (line: number, event: AuditEvent, subject: NamedResource | undefined): Group => {
    const names = namesOf(event)
    const at = (resource: NamedResource | undefined): Named | undefined => (resource === undefined ? undefined : { line, resource })
    const own: Group = {
      parent: undefined,
      patient: event.patients.map((resource): FromCase => ({ kind: 'one', resource })).reduce(join, none),
      subject: subject === undefined ? none : { kind: 'one', resource: subject },
      plan: at(event.basedOn[0]),
      encounter: at(event.encounter),
    }
    const known = new Set(names.flatMap(({ reference }) => groups.get(reference) ?? []).map(rootOf))
    const [root = own, ...others] = known
    for (const other of root === own ? [] : [own, ...others]) {
      add(root, other)
      if (other !== own) other.parent = root
    }
    for (const { reference } of names) groups.set(reference, root)
    return root
  }

  return {
    note: (line, event, subject) => {
      if (namesOf(event).length > 0) {
        const group = joined(line, event, subject)
        for (const orphan of waiting) {
          const place = between.get(orphan)
          if (place !== undefined) place.after = group
        }
        waiting = []
        before = group
      } else if (event.patients.length > 0 || before === undefined) {
        before = undefined
        for (const orphan of waiting) between.delete(orphan)
        waiting = []
      } else {
        between.set(line, { before, after: undefined })
        waiting.push(line)
      }
    },
    caseOf: (line, event) => {
      let group = groupOf(event)
      if (group === undefined) {
        const place = between.get(line)
        if (place?.after === undefined || rootOf(place.before) !== rootOf(place.after)) return undefined
        group = rootOf(place.before)
      }
      const { patient, subject, plan, encounter } = group
      const surrogate = (plan ?? encounter)?.resource
      return surrogate === undefined ? undefined : { patient, subject, surrogate }
    },
  }
}
