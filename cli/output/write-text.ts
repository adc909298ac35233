import { write } from '../io.ts'
import type { Session } from '../session.ts'
import { createOutputFile } from './output-file.ts'

/** Writes a text to the file named, whole or not at all, else to stdout. Throws INVALID_ARGUMENT and OutputError as `createOutputFile`. */
export const writeText = async ({ io }: Pick<Session, 'io'>, output: string | undefined, text: string): Promise<void> => {
  if (output === undefined) return write(io.out, text)
  const file = await createOutputFile(output, io.randomness.uuid())
  file.stream.write(text)
  await file.commit()
}
