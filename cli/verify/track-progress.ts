import { createProgress } from '../output/progress.ts'
import type { Session } from '../session.ts'

/** A bar for entries that are read; it begins anew where they are read a second time. */
export const trackProgress = (session: Session, title: string, total: bigint) => {
  const progress = createProgress({ io: session.io, title, total: Number(total), afterMs: 500, always: !session.json })
  let seen = 0n
  return {
    onProgress: (read: bigint): void => {
      if (read > seen) progress.advance(Number(read - seen))
      seen = read
    },
    stop: progress.stop,
  }
}
