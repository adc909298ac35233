import { readFile } from 'node:fs/promises'
import { ChartwardenError } from '../services/kernel/errors.ts'

/**
 * The token the caller gave: `--token`, else CHARTWARDEN_TOKEN; in both, `@path` names a file that holds it. Undefined when none was given.
 * A token on the command line shows in the list of processes, so a file or the variable is better.
 */
export const givenToken = async (
  option: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> => {
  const given = option ?? environment['CHARTWARDEN_TOKEN']
  if (given === undefined || given === '') return undefined
  if (!given.startsWith('@')) return given.trim()
  try {
    return (await readFile(given.slice(1), 'utf8')).trim()
  } catch (cause) {
    throw new ChartwardenError('INVALID_ARGUMENT', { message: `The token file ${given.slice(1)} cannot be read.`, cause })
  }
}
