import type { Pool } from 'pg'
import { createClinicGate, type Wanted } from '../kernel/clinic-gate.ts'
import type { Clock } from '../kernel/clock.ts'
import { unavailable } from './engines/postgres/entry-rows.ts'

/**
 * Does the work while nobody else, in any process, works under the same clinic's lock: for the moment in which a ledger comes to be, whose keys
 * are made here or moved here, never both. Throws LEDGER_UNAVAILABLE where the lock cannot be had.
 */
export type ClinicLock = <Result>(clinic: string, wanted: Wanted, work: () => Promise<Result>) => Promise<Result>

/** Each keeps a connection while its work needs others of the same pool, so only a few at a time may. */
const places = 2

export interface ClinicLockOptions {
  readonly pool: Pool
  readonly clock: Clock
}

export const createClinicLock = ({ pool, clock }: ClinicLockOptions): ClinicLock => {
  const gate = createClinicGate({ places, clinicPlaces: 1, clock })
  return (clinic, wanted, work) =>
    gate.run(clinic, 'light', wanted, async () => {
      const client = await pool.connect().catch((cause: unknown) => {
        throw unavailable(cause)
      })
      try {
        try {
          await client.query('begin')
          await client.query(`set local lock_timeout = '5s'`)
          await client.query(`select pg_advisory_xact_lock(hashtextextended('chartwarden clinic ' || $1, 0))`, [clinic])
        } catch (cause) {
          throw unavailable(cause)
        }
        return await work()
      } finally {
        await client.query('rollback').then(
          () => client.release(),
          () => client.release(true),
        )
      }
    })
}
