import { createLogger, type Logger } from '../../services/kernel/logging.ts'

export interface LogLines {
  readonly logger: Logger
  readonly lines: Record<string, unknown>[]
  /** Lines of one event. */
  of(event: string): Record<string, unknown>[]
}

/** A logger whose lines a test can read. */
export const logLines = (): LogLines => {
  const lines: Record<string, unknown>[] = []
  const logger = createLogger({
    level: 'debug',
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  })
  return { logger, lines, of: (event) => lines.filter((line) => line['event'] === event) }
}
