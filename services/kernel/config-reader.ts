/** Reads one variable after the other; what is wrong is collected, so that one start names all of it. */
import { type Mode, type Row, rows } from './config-variables.ts'
import { StartError } from './start-error.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const prefix = 'CHARTWARDEN_'

/** What is wrong, each thing once, in the order it was found. */
export type Problems = Set<string>

export const refuse = (problems: Problems): void => {
  if (problems.size > 0) throw new StartError([...problems].join(' '))
}

const unknownVariables = (environment: Environment): readonly string[] => {
  const known = new Set<string>(Object.values(rows).map(({ name }) => name))
  return Object.keys(environment)
    .filter((name) => name.startsWith(prefix) && !known.has(name))
    .map((name) => `${name} is not a variable of this version; remove it or correct its name.`)
}

/** A value that was refused; a user and password that do not belong in it are left out. */
const shown = (text: string): string => JSON.stringify(text.replace(/\/\/.*@/, '//…@').slice(0, 100))

/**
 * Reads one variable after the other, and notes what is wrong with them: whoever reads calls `refuse` before a value is used. An empty
 * variable counts as one that is not set, as compose files write it.
 */
const createReader = (environment: Environment, mode: Mode, problems: Problems) => {
  const read = <T>(row: Row<T>): T | undefined => {
    const given = environment[row.name]
    const text = given === undefined || given === '' ? row.default[mode] : given
    if (text === undefined) {
      if (mode === 'production' && row.requiredInProduction) problems.add(`${row.name} is required in production.`)
      return undefined
    }
    const value = row.parse(text)
    if (value === undefined) problems.add(`${row.name} must be ${row.allowed}${row.secret ? '' : `, not ${shown(text)}`}.`)
    return value
  }
  const always = <T>(row: Row<T>): T => {
    const value = read(row)
    if (value === undefined && ![...problems].some((problem) => problem.startsWith(`${row.name} `))) {
      problems.add(`${row.name} is required.`)
    }
    return value as T
  }
  return { mode, problems, read, always }
}

export type Reader = ReturnType<typeof createReader>

/** Everything else depends on the mode, so that it is refused before the rest is read. */
export const startReading = (environment: Environment): Reader => {
  const problems: Problems = new Set(unknownVariables(environment))
  const mode = createReader(environment, 'development', problems).read(rows.mode)
  if (mode === undefined) refuse(problems)
  return createReader(environment, mode ?? 'development', problems)
}
