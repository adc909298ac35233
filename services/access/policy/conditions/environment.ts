/**
 * The library's side of conditions: the variables and functions that a translated condition uses. Conversions are our own, because those of
 * the library take more than CEL does, guess at dates, or need time that grows faster than their input.
 */
import { Environment, EvaluationError } from '@marcbachmann/cel-js'
import { conditionLimits } from './limits.ts'
import { dayOfYear, parseTimestamp, Zone } from './timestamps.ts'

const timestamp = 'google.protobuf.Timestamp'
const maxInt = 2n ** 63n - 1n

const refused = (message: string): EvaluationError => new EvaluationError({ code: 'conversion', message })

const intOf = (value: bigint): bigint => {
  if (value > maxInt || value < -maxInt) throw refused('out of range')
  return value
}

const doubleText = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

const doubleOf = (text: string): number => {
  const value = doubleText.test(text) ? Number(text) : Number.NaN
  if (!Number.isFinite(value)) throw refused('no number')
  return value
}

const functions: Readonly<Record<string, (...values: never[]) => unknown>> = {
  'to_int(int): int': (value: bigint) => value,
  'to_int(double): int': (value: number) => {
    if (!Number.isFinite(value)) throw refused('no number')
    return intOf(BigInt(Math.trunc(value)))
  },
  'to_int(string): int': (text: string) => {
    if (!/^-?\d{1,19}$/.test(text)) throw refused('no whole number')
    return intOf(BigInt(text))
  },
  [`to_int(${timestamp}): int`]: (moment: Date) => BigInt(Math.floor(moment.getTime() / 1_000)),
  'to_double(double): double': (value: number) => value,
  'to_double(int): double': (value: bigint) => Number(value),
  'to_double(string): double': doubleOf,
  [`to_timestamp(${timestamp}): ${timestamp}`]: (moment: Date) => moment,
  [`to_timestamp(string): ${timestamp}`]: (text: string) => {
    const moment = parseTimestamp(text)
    if (moment === undefined) throw refused('no moment of RFC 3339')
    return moment
  },
  [`to_timestamp(int): ${timestamp}`]: (seconds: bigint) => {
    if (seconds < -62_135_596_800n || seconds > 253_402_300_799n) throw refused('not in the years 1 to 9999')
    return new Date(Number(seconds) * 1_000)
  },
  [`${timestamp}.in_zone(Zone): ${timestamp}`]: (moment: Date, zone: Zone) => zone.local(moment),
  [`${timestamp}.day_of_year(): int`]: (moment: Date) => BigInt(dayOfYear(moment)),
}

/** Names and types of what no request can set. */
const fixedVariables = {
  subject_type: 'string',
  resource_type: 'string',
  resource_has_patient: 'bool',
  resource_own_record: 'bool',
  action_name: 'string',
  context_time: timestamp,
  context_caller: 'string',
  context_purpose: 'string',
} as const

export type FixedVariable = keyof typeof fixedVariables

/** Letters that number variables of one type: attributes, whether one is there, and constants of a condition. */
const numberedVariables = {
  attribute: { type: 'dyn', count: conditionLimits.attributes },
  present: { type: 'bool', count: conditionLimits.attributes },
  duration: { type: 'google.protobuf.Duration', count: conditionLimits.constants },
  moment: { type: timestamp, count: conditionLimits.constants },
  zone: { type: 'Zone', count: conditionLimits.constants },
} as const

export type NumberedVariable = keyof typeof numberedVariables

export const createEnvironment = (): Environment => {
  const environment = new Environment({
    limits: {
      maxAstNodes: conditionLimits.nodes,
      maxDepth: conditionLimits.depth,
      maxListElements: conditionLimits.listElements,
    },
  })
  environment.registerType('Zone', Zone)
  for (const [name, type] of Object.entries(fixedVariables)) environment.registerVariable(name, type)
  for (const [name, { type, count }] of Object.entries(numberedVariables)) {
    for (let index = 0; index < count; index += 1) environment.registerVariable(`${name}_${index}`, type)
  }
  for (const [signature, handler] of Object.entries(functions)) {
    // Without this the library expects promises everywhere, which costs time in every evaluation.
    environment.registerFunction(signature, { handler: handler as (...values: unknown[]) => unknown, async: false })
  }
  return environment
}
