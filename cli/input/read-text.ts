import { readFile } from 'node:fs/promises'
import { ChartwardenError } from '../../services/kernel/errors.ts'

/** The text of a file that an argument names. Throws INVALID_ARGUMENT when it cannot be read or is not UTF-8. */
export const readText = async (path: string): Promise<string> => {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw new ChartwardenError('INVALID_ARGUMENT', { message: `The file ${path} cannot be read.`, cause })
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new ChartwardenError('INVALID_ARGUMENT', { message: `The file ${path} is not UTF-8.`, cause })
  }
}
