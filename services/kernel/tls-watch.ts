/** Certificate files that are renewed while the service runs. */
import type { Clock } from './clock.ts'
import type { TlsFiles } from './config.ts'
import type { Logger } from './logging.ts'
import { StartError } from './start-error.ts'
import { systemTimers, type Timers } from './timers.ts'
import { expiryOf, readTls, type TlsMaterial } from './tls.ts'

export interface TlsWatchOptions {
  readonly files: TlsFiles
  readonly clock: Clock
  readonly logger: Logger
  readonly timers?: Timers
  /** How often the files are read, in milliseconds. Defaults to 10,000. */
  readonly everyMs?: number
}

export interface TlsWatch {
  /** In use now. */
  readonly material: TlsMaterial
  /** Told of every usable change of the files. */
  onRenewal(run: (material: TlsMaterial) => void): void
  /** Reads the files at once. Never throws: what cannot be used is warned of, and what was in use stays. */
  reload(): Promise<void>
  /** In a few words, for readiness. */
  state(): { readonly certificate: string; readonly daysLeft: number }
  stop(): void
}

const dayMs = 86_400_000

/** Days before its end from which a certificate is warned of, once a day. */
const warnedDays = 14

const same = (one: Buffer | undefined, other: Buffer | undefined): boolean =>
  one === undefined || other === undefined ? one === other : one.equals(other)

const sameMaterial = (one: TlsMaterial, other: TlsMaterial): boolean =>
  same(one.cert, other.cert) && same(one.key, other.key) && same(one.clientCa, other.clientCa)

/**
 * Reads the files now and from then on again and again: their content decides, not their times, so that links that are swapped are seen
 * too. Throws StartError when they cannot be used now.
 */
export const watchTls = async ({ files, clock, logger, timers = systemTimers, everyMs = 10_000 }: TlsWatchOptions): Promise<TlsWatch> => {
  let material = await readTls(files, clock)
  let refusal: string | undefined
  let warnedAt = Number.POSITIVE_INFINITY
  let stopped = false
  let cancel = (): void => undefined
  const renewals: ((material: TlsMaterial) => void)[] = []
  const daysLeft = (): number => Math.floor((expiryOf(material) - clock.wall()) / dayMs)

  const warnOfExpiry = (): void => {
    const days = daysLeft()
    if (days >= warnedDays) warnedAt = Number.POSITIVE_INFINITY
    else if (days < warnedAt) {
      warnedAt = days
      logger.warn(
        { event: 'tls.expires', daysLeft: days },
        'the TLS certificate ends soon; renew its files, the service reads them by itself',
      )
    }
  }

  const refuse = (thrown: unknown): void => {
    const message = thrown instanceof StartError ? thrown.message : 'The TLS files cannot be read.'
    if (refusal === message) return
    refusal = message
    logger.warn({ event: 'tls.not_renewed', err: thrown }, `${message} The certificate read before stays in use.`)
  }

  const reload = async (): Promise<void> => {
    try {
      const found = await readTls(files, clock)
      if (stopped) return
      refusal = undefined
      if (!sameMaterial(found, material)) {
        material = found
        for (const run of renewals) run(found)
        logger.info({ event: 'tls.renewed', daysLeft: daysLeft() }, 'new TLS files are in use for new connections')
      }
    } catch (thrown) {
      if (!stopped) refuse(thrown)
    }
    warnOfExpiry()
  }

  const watch = (): void => {
    cancel = timers.after(everyMs, () => {
      void reload().then(() => {
        if (!stopped) watch()
      })
    })
  }
  warnOfExpiry()
  watch()

  return {
    get material() {
      return material
    },
    onRenewal: (run) => void renewals.push(run),
    reload,
    state: () => {
      const days = daysLeft()
      const words = days < 0 ? 'expired' : days < warnedDays ? 'expires soon' : 'valid'
      return { certificate: refusal === undefined ? words : `${words}; its new files cannot be used`, daysLeft: days }
    },
    stop: () => {
      stopped = true
      cancel()
    },
  }
}
