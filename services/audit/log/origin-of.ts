import type { LogReader } from './log-store.ts'
import { logOrigin } from './origin.ts'

export interface OriginOfOptions {
  readonly reader: Pick<LogReader, 'log'>
  /** What origins begin with. */
  readonly base: string
}

/** The origin that a clinic's log has now, or will have once its first entry is in the tree. */
export const createOriginOf =
  ({ reader, base }: OriginOfOptions) =>
  async (clinic: string): Promise<string> =>
    (await reader.log(clinic))?.origin ?? logOrigin(base, clinic, 1)
