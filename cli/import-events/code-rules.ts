/** What the codes of an event say of the access: tables, of standards and of a clinic's own. */
import { readFileSync } from 'node:fs'
import { hasHeader, type ImportProblem, readTable, type TableRow } from '../../services/access/policy/import/table.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import type { Coding } from './audit-event.ts'

export const codeRuleMembers = ['system', 'code', 'text', 'entity_type', 'resource_type', 'action'] as const

/**
 * One row: for events that match every of the first four members that is not empty, what the last two are; an empty one is left to the rows after
 * it. `none` for both: the event is about no access to a record and is left out.
 */
export type CodeRule = Readonly<Record<(typeof codeRuleMembers)[number], string>>

/** What is matched: an event and one of its entities. */
export interface Matched {
  readonly codes: readonly Coding[]
  readonly text: string | undefined
  /** FHIR type of the record. */
  readonly entityType: string | undefined
}

/** Line feeds in a text are how somebody wrapped it. */
const squeezed = (text: string): string => text.trim().replace(/\s+/g, ' ')

const matches = ({ system, code, text, entity_type: entityType }: CodeRule, event: Matched): boolean =>
  (text === '' || (event.text !== undefined && squeezed(text) === squeezed(event.text))) &&
  (entityType === '' || entityType === event.entityType) &&
  ((system === '' && code === '') ||
    event.codes.some((coding) => (system === '' || system === coding.system) && (code === '' || code === coding.code)))

/** The first rule that says this of the event. */
export const firstRule = (rules: readonly CodeRule[], says: 'resource_type' | 'action', event: Matched): CodeRule | undefined =>
  rules.find((rule) => rule[says] !== '' && matches(rule, event))

/** What is wrong with one rule; undefined when nothing is. */
export const ruleFault = (rule: CodeRule): string | undefined => {
  const { system, code, text, entity_type: entityType, resource_type: resourceType, action } = rule
  if (system + code + text + entityType === '') return 'matches every event; name a system, code, text or entity_type'
  if (resourceType + action === '') return 'says nothing; give it a resource_type, an action or both'
  if ((resourceType === 'none') !== (action === 'none')) return '"none" stands in both resource_type and action, or in neither'
  if ([...resourceType].length > 64 || [...action].length > 64) return 'resource_type and action have at most 64 characters'
  return undefined
}

const ruleOf = ({ cells }: TableRow): CodeRule =>
  Object.fromEntries(codeRuleMembers.map((name) => [name, (cells[name] as string).replaceAll('\\n', '\n')])) as CodeRule

/** The rules of a CSV text; `problems` takes what is wrong with it. */
export const rulesOfTable = (text: string, problems: ImportProblem[]): readonly CodeRule[] => {
  const table = readTable('roles', text, problems)
  if (problems.length > 0) return []
  if (!hasHeader(table, ...codeRuleMembers)) {
    problems.push({ file: 'roles', line: 1, message: `the header must be "${codeRuleMembers.join(',')}"` })
    return []
  }
  return table.rows.map((row) => {
    const rule = ruleOf(row)
    const message = ruleFault(rule)
    if (message !== undefined) problems.push({ file: 'roles', line: row.line, message })
    return rule
  })
}

const builtin = (name: string): readonly CodeRule[] => {
  const problems: ImportProblem[] = []
  const rules = rulesOfTable(readFileSync(new URL(`./builtin/${name}.csv`, import.meta.url), 'utf8'), problems)
  if (problems.length > 0) throw new ChartwardenError('INTERNAL', { cause: new Error(`${name}.csv is damaged: ${problems[0]?.message}`) })
  return rules
}

export interface CodeRules {
  /** What counts, in order: the clinic's own, then those of the standards. */
  readonly certain: readonly CodeRule[]
  /** Readings of codes that do not say themselves what was done to which record; a lenient import takes them, and says so. */
  readonly readings: readonly CodeRule[]
}

export const codeRules = (own: readonly CodeRule[]): CodeRules => ({
  certain: [...own, ...builtin('standards')],
  readings: builtin('sole'),
})
