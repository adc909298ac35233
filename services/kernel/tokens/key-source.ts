import type { Clock } from '../clock.ts'
import type { Logger } from '../logging.ts'
import { StartError } from '../start-error.ts'
import type { Timers } from '../timers.ts'
import type { KeyDocument } from './key-document.ts'
import { parseKeySet, type VerificationKey } from './key-set.ts'

/** The keys in force, kept up to date. A document that fails to load or to parse never takes away the keys already known. */
export interface KeySource {
  /** Undefined until a key set was loaded for the first time. */
  keys(): readonly VerificationKey[] | undefined
  /** Grows by one whenever the set changes; 0 until there is one. */
  version(): number
  /** Settles once the first key set was loaded; never where none ever is. */
  readonly loaded: Promise<void>
  /** Reads the document now; joins a read under way. */
  refresh(): Promise<void>
  /** Reads the document because a token names an unknown key; does nothing if that was done a moment ago. */
  refreshForUnknownKey(): Promise<void>
  close(): void
}

export interface KeySourceOptions {
  readonly document: KeyDocument
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

/** While a document that may be absent has never been loaded, it is asked for more often, in milliseconds. */
const absentPollMs = 5_000

/** Loads the key set. Throws StartError when it is unusable, or absent and must not be. */
export const createKeySource = async ({ document, clock, timers, logger }: KeySourceOptions): Promise<KeySource> => {
  let keys: readonly VerificationKey[] | undefined
  let fingerprint = ''
  let version = 0
  let reading: Promise<void> | undefined
  let askedAt = Number.NEGATIVE_INFINITY
  let closed = false
  let stopTimer = (): void => undefined
  const first = Promise.withResolvers<void>()

  const accept = (text: string): void => {
    const set = parseKeySet(text)
    if (set.kind === 'unusable') throw new StartError(`The key set ${document.name} is unusable: ${set.why}.`)
    const next = JSON.stringify(set.keys)
    if (next === fingerprint) return
    fingerprint = next
    keys = set.keys
    version += 1
    logger.info({ event: 'keys.loaded', version, count: keys.length, ignored: set.ignored }, 'token keys loaded')
    first.resolve()
  }

  const read = async (): Promise<void> => {
    const text = await document.read()
    if (text !== undefined) accept(text)
  }

  const refresh = (): Promise<void> => {
    reading ??= read()
      .catch((err: unknown) =>
        logger.error({ event: 'keys.refresh_failed', version, err }, 'token keys could not be refreshed; known keys stay in force'),
      )
      .finally(() => {
        reading = undefined
      })
    return reading
  }

  const schedule = (): void => {
    const { pollMs } = document
    if (pollMs === undefined || closed) return
    stopTimer = timers.after(keys === undefined ? Math.min(absentPollMs, pollMs) : pollMs, () => void refresh().then(schedule))
  }

  try {
    await read()
  } catch (cause) {
    if (cause instanceof StartError) throw cause
    if (!document.mayBeAbsent) throw new StartError(`The key set ${document.name} cannot be read: ${reasonOf(cause)}.`, { cause })
    logger.error({ event: 'keys.unavailable', err: cause }, 'token keys cannot be fetched yet; calls are refused until they can')
  }
  schedule()

  return {
    keys: () => keys,
    version: () => version,
    loaded: first.promise,
    refresh,
    refreshForUnknownKey: async () => {
      const now = clock.monotonic()
      if (reading === undefined && now - askedAt < document.askedIntervalMs) return
      askedAt = now
      await refresh()
    },
    close: () => {
      closed = true
      stopTimer()
    },
  }
}

const reasonOf = (thrown: unknown): string =>
  thrown instanceof Error ? ((thrown as NodeJS.ErrnoException).code ?? thrown.message) : 'unknown reason'
