/**
 * Names that are most likely misspelt. A resource type, an action and a sensitivity need no declaration, so a misspelling is never refused:
 * it silently protects nothing, or opens nothing. Whoever wrote it is told. Pure.
 */
import { methodRules } from '../../kernel/scopes.ts'
import type { Bound } from '../events.ts'
import { patientResource } from '../state/directory.ts'
import { sensitivities } from './labels.ts'
import { checkedBounds, isCheckedBound, type Roles, vocabularyOf, wildcard } from './roles.ts'

/** Resource types and actions that a clinic's roles name. */
export interface KnownNames {
  readonly resourceTypes: ReadonlySet<string>
  readonly actions: ReadonlySet<string>
}

/** Names that somebody wrote. */
export interface WrittenNames {
  readonly resourceTypes?: readonly string[]
  readonly actions?: readonly string[]
}

/** A name that is not known. */
export interface UnknownName {
  readonly kind: 'resource type' | 'action' | 'sensitivity'
  readonly name: string
  /** What it most likely means; undefined when nothing is near. */
  readonly meant: string | undefined
}

/** Every clinic has these, though no role need name them: one for every action speaks of them too. */
export const commonActions = ['create', 'delete', 'export', 'read', 'share', 'update'] as const

const needed = Object.values(methodRules).flatMap(({ person }) => (typeof person === 'object' ? [person] : []))

/** What the service itself asks for, besides what roles name. */
const ownNames: KnownNames = {
  resourceTypes: new Set([patientResource, ...needed.map(({ resourceType }) => resourceType)]),
  actions: new Set([...commonActions, ...needed.map(({ action }) => action)]),
}

/** Names looked at in one answer, of each kind; a role may hold thousands. */
const maxNames = 20

/** The names of roles in force; of a role that is being replaced only what others name too. */
export const namesInForce = (roles: Roles, replaced?: string): KnownNames => {
  if (replaced === undefined || !roles.definitions.has(replaced)) return vocabularyOf(roles)
  const others = new Map([...roles.definitions].filter(([role]) => role !== replaced))
  return vocabularyOf({ definitions: others, vocabulary: undefined })
}

/**
 * Insertions, deletions, replacements and swaps of neighbours that make one of the other (optimal string alignment); 3 for any more than two.
 */
const distance = (left: string, right: string): number => {
  if (Math.abs(left.length - right.length) > 2) return 3
  let before: number[] = []
  let row = Array.from({ length: right.length + 1 }, (_, column) => column)
  for (let line = 1; line <= left.length; line += 1) {
    const next = [line]
    for (let column = 1; column <= right.length; column += 1) {
      const differs = left[line - 1] === right[column - 1] ? 0 : 1
      let least = Math.min((row[column - 1] as number) + differs, (row[column] as number) + 1, (next[column - 1] as number) + 1)
      const swapped = line > 1 && column > 1 && left[line - 1] === right[column - 2] && left[line - 2] === right[column - 1]
      if (swapped) least = Math.min(least, (before[column - 2] as number) + 1)
      next.push(least)
    }
    if (Math.min(...next) > 2) return 3
    before = row
    row = next
  }
  return Math.min(row[right.length] as number, 3)
}

/** The name most likely meant: the same but for upper and lower case, else one or, of longer names, `most` letters away. */
export const likelyMeant = (name: string, candidates: Iterable<string>, most = 2): string | undefined => {
  const lower = name.toLowerCase()
  const reach = name.length <= 4 ? 1 : most
  let found: { readonly name: string; readonly away: number } | undefined
  for (const candidate of candidates) {
    if (candidate === name || candidate === wildcard) continue
    const away = distance(lower, candidate.toLowerCase())
    if (away > reach || (found !== undefined && (away > found.away || (away === found.away && candidate > found.name)))) continue
    found = { name: candidate, away }
  }
  return found?.name
}

const lookUp = (
  kind: UnknownName['kind'],
  names: readonly string[],
  known: ReadonlySet<string>,
  also: ReadonlySet<string>,
): readonly UnknownName[] =>
  [...new Set(names)]
    .filter((name) => name !== wildcard && !known.has(name) && !also.has(name))
    .slice(0, maxNames)
    .map((name) => ({ kind, name, meant: likelyMeant(name, [...known, ...also]) }))

/** Names that no role in force names, the first of each kind; roles for every type or action aside, and what the service itself asks for. */
export const unknownNames = (known: KnownNames, { resourceTypes = [], actions = [] }: WrittenNames): readonly UnknownName[] => [
  ...lookUp('resource type', resourceTypes, known.resourceTypes, ownNames.resourceTypes),
  ...lookUp('action', actions, known.actions, ownNames.actions),
]

const nothingElse: ReadonlySet<string> = new Set()

/** Of a question, names that no role in force names, so that only a role for every type or action permits them. */
export const unknownAsked = (known: KnownNames, { resourceTypes = [], actions = [] }: WrittenNames): readonly UnknownName[] => [
  ...lookUp('resource type', resourceTypes, known.resourceTypes, nothingElse),
  ...lookUp('action', actions, known.actions, nothingElse),
]

/** Sensitivities that are in no vocabulary. They are kept, and only a clearance for every sensitivity covers them. */
export const unknownSensitivities = (written: readonly string[]): readonly UnknownName[] =>
  lookUp('sensitivity', written, sensitivities, nothingElse)

const quoted = (name: string): string => JSON.stringify(name)

const didYouMean = ({ meant }: UnknownName): string => (meant === undefined ? '.' : `; did you mean ${quoted(meant)}?`)

/** One sentence for each name. `roles` says which roles do not name it. */
export const namesInWords = (unknown: readonly UnknownName[], roles = 'No role in force'): readonly string[] =>
  unknown.map((one) =>
    one.kind === 'sensitivity'
      ? `No vocabulary holds the sensitivity ${quoted(one.name)}, so only a clearance for every sensitivity covers it${didYouMean(one)}`
      : `${roles} names the ${one.kind} ${quoted(one.name)}${didYouMean(one)}`,
  )

/** Bounds that are nearly one which is checked here; as they are, they are duties of the calling software. */
export const nearlyCheckedBounds = (bounds: readonly Pick<Bound, 'kind'>[]): readonly { readonly kind: string; readonly meant: string }[] =>
  [...new Set(bounds.map(({ kind }) => kind))]
    .filter((kind) => !isCheckedBound(kind))
    .slice(0, maxNames)
    .flatMap((kind) => {
      const meant = likelyMeant(kind, checkedBounds)
      return meant === undefined ? [] : [{ kind, meant }]
    })

export const boundInWords = ({ kind, meant }: ReturnType<typeof nearlyCheckedBounds>[number]): string =>
  `The bound ${quoted(kind)} is a duty of the calling software and is not checked here; did you mean ${quoted(meant)}?`
