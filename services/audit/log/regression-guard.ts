/**
 * Clinics whose ledger ends before what was signed of it are not served: a permit that nobody can prove to have followed a revocation is no
 * permit. What was signed is known outside the database, so that a restored copy of it shows at the start already.
 */
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Logger } from '../../kernel/logging.ts'
import type { Ledger } from '../ledger.ts'
import type { FindBehind } from './find-behind.ts'

export interface RegressionGuardOptions {
  readonly findBehind: FindBehind
  /** Whether it is looked also while no clinic is behind, since nothing here would tell of one. */
  readonly watches: boolean
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** How often it is looked, whether a clinic can be served again too; milliseconds. Defaults to 2,000. */
  readonly recheckMs?: number
}

export interface RegressionGuard {
  /** Looks at every ledger, now. Throws StartError where the signer store cannot be used. */
  check(): Promise<void>
  /** Refuses appends to ledgers that are behind with LEDGER_REGRESSED. */
  ledger(ledger: Ledger): Ledger
  /** Throws LEDGER_REGRESSED for a clinic whose ledger is behind: for who answers from its state without an append. */
  requireServed(clinic: string): void
  close(): void
}

export const createRegressionGuard = (options: RegressionGuardOptions): RegressionGuard => {
  const { findBehind, watches, logger, recheckMs = 2_000 } = options
  let behind: ReadonlyMap<string, string> = new Map()
  let timer: NodeJS.Timeout | undefined
  let closed = false

  const check = async (): Promise<void> => {
    clearTimeout(timer)
    const found = await findBehind()
    for (const [clinic, words] of found) if (!behind.has(clinic)) logger.error({ event: 'log.ledger_behind', clinic }, words)
    for (const clinic of behind.keys())
      if (!found.has(clinic)) logger.info({ event: 'log.served_again', clinic }, 'the clinic is served again')
    behind = found
    if ((watches || behind.size > 0) && !closed) timer = setTimeout(again, recheckMs).unref()
  }

  /** A fault leaves it as it is: who was not served is not served. */
  const again = (): void => {
    check().catch((error: unknown) => {
      logger.warn({ event: 'log.check_failed', err: error }, 'what was signed could not be compared with the ledgers; tried again')
      if (!closed) timer = setTimeout(again, recheckMs).unref()
    })
  }

  const requireServed = (clinic: string): void => {
    if (behind.has(clinic)) throw new ChartwardenError('LEDGER_REGRESSED')
  }

  return {
    check,
    ledger: (ledger) => ({
      ...ledger,
      append: async (append) => {
        requireServed(append.clinic)
        return ledger.append(append)
      },
    }),
    requireServed,
    close: () => {
      closed = true
      clearTimeout(timer)
    },
  }
}
