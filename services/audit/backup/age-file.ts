import { readFile } from 'node:fs/promises'
import { errorCode } from '../../kernel/postgres/error-code.ts'
import { StartError } from '../../kernel/start-error.ts'

export interface AgeFileKind {
  /** E.g. `recipient`. */
  readonly name: string
  /** What a line looks like, for the operator. */
  readonly looks: string
  /** Throws for what is none. */
  readonly check: (line: string) => void
}

/**
 * The lines of a file that age's own programs could read too; empty ones and those that begin with `#` say nothing. Throws StartError, which
 * shows nothing of the file, where it cannot be read, holds none, or anything else.
 */
export const readAgeFile = async (file: string, { name, looks, check }: AgeFileKind): Promise<readonly string[]> => {
  const title = `${name === 'identity' ? 'identities' : `${name}s`} file ${file}`
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new StartError(`The ${title} cannot be read: ${errorCode(cause) ?? 'unknown reason'}.`, { cause })
  })
  const found: string[] = []
  for (const [index, written] of text.split('\n').entries()) {
    const line = written.trim()
    if (line === '' || line.startsWith('#')) continue
    try {
      check(line)
    } catch (cause) {
      throw new StartError(`Line ${index + 1} of the ${title} is no age ${name} (${looks}).`, { cause })
    }
    found.push(line)
  }
  if (found.length === 0) throw new StartError(`The ${title} names no ${name}.`)
  return found
}
