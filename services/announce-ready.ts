import type { Logger } from './kernel/logging.ts'

export interface AnnounceReadyOptions {
  readonly logger: Pick<Logger, 'info' | 'warn'>
  /** Ports and the like, for the line. */
  readonly facts: object
  readonly isServing: () => boolean
  readonly serving: Promise<void>
}

/** Says that the service answers: now, or that it listens and, later, that it answers. */
export const announceReady = ({ logger, facts, isServing, serving }: AnnounceReadyOptions): void => {
  const tell = (): void => logger.info({ event: 'service.ready', ...facts }, 'ready')
  if (isServing()) return tell()
  logger.warn({ event: 'service.started', ...facts }, 'listening, but not ready: token keys not loaded yet')
  void serving.then(tell)
}
