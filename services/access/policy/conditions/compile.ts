import type { Environment, ParseError } from '@marcbachmann/cel-js'
import type { Compiled, Condition, ConditionFacts } from '../condition.ts'
import { createEnvironment, type FixedVariable } from './environment.ts'
import { explain } from './explain.ts'
import { conditionLimits } from './limits.ts'
import { loopsOf } from './loop-memory.ts'
import { tellMistake } from './mistakes.ts'
import { type Fault, placeOf } from './place.ts'
import { type Translation, translate } from './translate.ts'
import { attributePath, attributeValue, fixedValues, isPresent } from './values.ts'

const environment: Environment = createEnvironment()

/** Types and functions as a condition calls them. */
const inPlainWords = (text: string): string =>
  text
    .replaceAll('google.protobuf.Timestamp', 'timestamp')
    .replaceAll('google.protobuf.Duration', 'duration')
    .replaceAll('in_zone(Zone)', 'get…(string)')
    .replaceAll(/\b(?:to_(int|double|timestamp)|day_of_year)\b/g, (_, conversion?: string) => conversion ?? 'getDayOfYear')
    .replaceAll(/\s+/g, ' ')

const faultOf = (error: unknown, origin: (offset: number) => number): Fault => {
  if (!(error instanceof Error) || !('summary' in error)) return { message: 'it cannot be read', at: 0 }
  const { summary, range } = error as ParseError
  return { message: inPlainWords(summary), at: origin(range?.start ?? 0) }
}

/** How one variable is read from the facts. */
interface Reader {
  readonly name: string
  readonly read: (facts: ConditionFacts) => unknown
}

const readersOf = ({ fixed, attributes, present, constants }: Translation): readonly Reader[] => [
  ...[...fixed].map((name: FixedVariable): Reader => ({ name, read: fixedValues[name] })),
  ...[...attributes].map(([name, attribute]): Reader => ({ name, read: (facts) => attributeValue(facts, attribute) })),
  ...[...present].map(([name, attribute]): Reader => ({ name, read: (facts) => isPresent(facts, attribute) })),
  ...[...constants].map(([name, value]): Reader => ({ name, read: () => value })),
]

const conditionOf = (source: string, translation: Translation): Condition | Fault => {
  const run = environment.parse(translation.text)
  const { type, error } = run.check()
  if (error !== undefined) return faultOf(error, translation.origin)
  if (type !== 'bool' && type !== 'dyn') return { message: inPlainWords(`it gives a value of type ${type}, not true or false`), at: 0 }
  const readers = readersOf(translation)
  const memory = loopsOf(run.ast)
  const attributes = [...translation.attributes.values(), ...translation.present.values()].map(attributePath)
  return {
    source,
    attributes: [...new Set(attributes)].sort(),
    usesTime: translation.fixed.has('context_time'),
    cost: Math.ceil(translation.cost),
    evaluate: (facts) => {
      const variables: Record<string, unknown> = {}
      // The library throws for every error, also for those that are forgiven, which is nothing unusual; a stack costs more than all the rest.
      const { stackTraceLimit } = Error
      Error.stackTraceLimit = 0
      try {
        for (const { name, read } of readers) variables[name] = read(facts)
        const answer: unknown = run(variables)
        return typeof answer === 'boolean' ? answer : { error: 'it gives neither true nor false' }
      } catch (failure) {
        return explain(failure, facts, source, translation)
      } finally {
        Error.stackTraceLimit = stackTraceLimit
        memory.forget()
      }
    },
  }
}

const check = (source: string): Condition | Fault => {
  if (source.length > conditionLimits.sourceCharacters) {
    return { message: `a condition has at most ${conditionLimits.sourceCharacters} characters`, at: conditionLimits.sourceCharacters }
  }
  if (!source.isWellFormed()) return { message: 'it holds half a character (a lone surrogate)', at: 0 }
  const translated = translate(environment.parse(source).ast)
  if (translated.kind === 'fault') return translated.fault
  const { translation } = translated
  if (translation.cost > conditionLimits.cost) {
    const estimate = Math.ceil(translation.cost).toLocaleString('en-US')
    return { message: `it may cost ${estimate} units, more than ${conditionLimits.cost.toLocaleString('en-US')}; use fewer loops`, at: 0 }
  }
  return conditionOf(source, translation)
}

/**
 * Parses, checks and compiles a condition. Never throws. What it refuses it says in one line, with the place; the same source always gives
 * the same answer. Source: the CEL language definition; what of it is offered is in docs/reference/conditions.md.
 */
export const compileCondition = (source: string): Compiled => {
  let result: Condition | Fault
  try {
    result = check(source)
  } catch (error) {
    result = faultOf(error, (offset) => offset)
  }
  if ('evaluate' in result) return { kind: 'condition', condition: result }
  const { message, at } = tellMistake(source, result)
  return { kind: 'invalid', message, ...placeOf(source, at) }
}
