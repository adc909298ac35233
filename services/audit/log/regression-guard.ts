/**
 * Clinics whose ledger ends before what was signed of it are not served: a permit that nobody can prove to have followed a revocation is no
 * permit. What was signed is known outside the database, so that a restored copy of it shows at the start already.
 */
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Logger } from '../../kernel/logging.ts'
import type { Ledger } from '../ledger.ts'
import { haltWords } from './halt-words.ts'
import type { SignerStore } from './signer-store.ts'
import { standingsOf } from './standing.ts'

export interface RegressionGuardOptions {
  readonly store: Pick<SignerStore, 'read'>
  readonly base: string
  /** Entries in a clinic's ledger now. */
  readonly entries: (clinic: string) => Promise<bigint>
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** How often it is looked whether a clinic can be served again; milliseconds. Defaults to 2,000. */
  readonly recheckMs?: number
}

export interface RegressionGuard {
  /** Compares every ledger with what was signed. Throws StartError where the signer store cannot be used. */
  check(): Promise<void>
  /** Refuses appends to ledgers that are behind with LEDGER_REGRESSED. */
  ledger(ledger: Ledger): Ledger
  close(): void
}

const askedAtOnce = 4

export const createRegressionGuard = (options: RegressionGuardOptions): RegressionGuard => {
  const { store, base, entries, logger, recheckMs = 2_000 } = options
  let behind: ReadonlySet<string> = new Set()
  let timer: NodeJS.Timeout | undefined
  let closed = false

  const find = async (): Promise<ReadonlySet<string>> => {
    const { clinics, standing } = standingsOf(await store.read(), base)
    const found = new Set<string>()
    const compare = async (clinic: string): Promise<void> => {
      const { signed, origin } = standing(clinic)
      if (signed === undefined) return
      const ledger = await entries(clinic)
      if (ledger >= signed.size) return
      found.add(clinic)
      if (behind.has(clinic)) return
      const facts = { clinic, origin, ledger, tree: 0n, signed: signed.size, published: 0n }
      logger.error({ event: 'log.ledger_behind', clinic }, haltWords('ledger_behind', facts))
    }
    for (let start = 0; start < clinics.length; start += askedAtOnce) {
      await Promise.all(clinics.slice(start, start + askedAtOnce).map(compare))
    }
    return found
  }

  const check = async (): Promise<void> => {
    clearTimeout(timer)
    const found = await find()
    for (const clinic of behind) if (!found.has(clinic)) logger.info({ event: 'log.served_again', clinic }, 'the clinic is served again')
    behind = found
    if (behind.size > 0 && !closed) timer = setTimeout(again, recheckMs).unref()
  }

  /** A fault leaves it as it is: who was not served is not served. */
  const again = (): void => {
    check().catch((error: unknown) => {
      logger.warn({ event: 'log.check_failed', err: error }, 'what was signed could not be compared with the ledgers; tried again')
      if (!closed) timer = setTimeout(again, recheckMs).unref()
    })
  }

  return {
    check,
    ledger: (ledger) => ({
      ...ledger,
      append: (append) => (behind.has(append.clinic) ? Promise.reject(new ChartwardenError('LEDGER_REGRESSED')) : ledger.append(append)),
    }),
    close: () => {
      closed = true
      clearTimeout(timer)
    },
  }
}
