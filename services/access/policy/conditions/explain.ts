/** Why an evaluation failed, in words that name attributes and places and never a value of the request. */
import type { ASTNode } from '@marcbachmann/cel-js'
import type { ConditionError, ConditionFacts } from '../condition.ts'
import { placeOf } from './place.ts'
import type { Translation } from './translate.ts'
import { attributePath, isPresent } from './values.ts'

/** Said of what the expression reads. */
const predicates: Readonly<Record<string, string>> = {
  no_such_key: 'is not there',
  index_out_of_bounds: 'has fewer elements',
  conversion: 'cannot be converted',
  bool_conversion_error: 'cannot be converted',
  invalid_logical_operand: 'is neither true nor false',
  invalid_condition_type: 'is neither true nor false',
  invalid_comprehension_range: 'is no list',
}

/** Said of the operation. */
const reasons: Readonly<Record<string, string>> = {
  division_by_zero: 'division by zero',
  modulo_by_zero: 'division by zero',
  numeric_overflow: 'a number beyond 64 bits',
}

const isNode = (value: unknown): value is ASTNode => typeof value === 'object' && value !== null && 'op' in value && 'args' in value

/** What a translated expression reads, in the words of its source: whole paths where it selects. */
const named = (value: unknown, translation: Translation): readonly string[] => {
  if (Array.isArray(value)) return value.flatMap((each) => named(each, translation))
  if (!isNode(value)) return []
  if (value.op === 'id') {
    const attribute = translation.attributes.get(value.args)
    if (attribute !== undefined) return [attributePath(attribute)]
    const range = translation.elements.get(value.args)
    if (range === undefined) return [value.args.replace('_', '.')]
    const running = range.match(/^(?:attribute|element)_\d+/)?.[0]
    const path = running === undefined ? [] : named({ op: 'id', args: running }, translation)
    return path.map((each) => (each.startsWith('an element of ') ? each : `an element of ${each}`))
  }
  if (value.op === '.') {
    const [base] = named(value.args[0], translation)
    if (base === undefined) return []
    return [base.startsWith('an element of ') ? `${value.args[1]} of ${base}` : `${base}.${value.args[1]}`]
  }
  return named(value.args, translation)
}

interface Failure {
  readonly code?: unknown
  readonly node?: unknown
}

/** `failure`: whatever was thrown. */
export const explain = (failure: unknown, facts: ConditionFacts, source: string, translation: Translation): ConditionError => {
  const { code, node } = (typeof failure === 'object' && failure !== null ? failure : {}) as Failure
  if (!isNode(node)) return { error: 'it cannot be evaluated on these facts' }
  const { line, column } = placeOf(source, translation.origin(node.pos))
  const at = `line ${line}, column ${column}: `
  if (code === 'unknown_variable' && node.op === 'id') {
    const attribute = translation.attributes.get(node.args)
    if (attribute === undefined) return { error: `${at}${node.args.replace('_', '.')} is not known, or too large` }
    const why = isPresent(facts, attribute) ? 'is too large or too deep to be used' : 'is not stated'
    return { error: `${at}${attributePath(attribute)} ${why}` }
  }
  const subjects = [...new Set(named(node, translation))].join(' or ')
  const known = typeof code === 'string' ? code : ''
  const reason = reasons[known]
  if (reason !== undefined) return { error: `${at}${reason}${subjects === '' ? '' : `, with ${subjects}`}` }
  return { error: `${at}${subjects === '' ? 'a value' : subjects} ${predicates[known] ?? 'is not of a kind that this takes'}` }
}
