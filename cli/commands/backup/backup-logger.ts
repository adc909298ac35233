import type { Logger } from '../../../services/kernel/logging.ts'
import type { Io } from '../../io.ts'

/** What goes wrong meanwhile, as the service's own log lines. */
export const backupLogger = async (io: Io): Promise<Logger> => {
  const { createLogger } = await import('../../../services/kernel/logging.ts')
  return createLogger({ level: 'warn', destination: { write: (line) => io.err.write(line) } })
}
