import type { Pool, QueryResultRow } from 'pg'
import type { ClinicGate, Wanted, Weight } from '../../../kernel/clinic-gate.ts'
import { ChartwardenError } from '../../../kernel/errors.ts'
import { lendConnection } from '../../../kernel/postgres/lend-connection.ts'
import { unavailable } from './entry-rows.ts'

export interface ClinicQueryOptions {
  /** Connects as a member of `chartwarden_query`, to which row security shows one clinic at a time. */
  readonly pool: Pool
  readonly gate: ClinicGate
}

/** One statement in a transaction that may see this one clinic, once it is the clinic's turn. Throws as the gate does, and LEDGER_UNAVAILABLE. */
export type ClinicQuery = <Row extends QueryResultRow>(
  clinic: string,
  wanted: Wanted,
  text: string,
  values: readonly unknown[],
  weight?: Weight,
) => Promise<readonly Row[]>

export const createClinicQuery =
  ({ pool, gate }: ClinicQueryOptions): ClinicQuery =>
  <Row extends QueryResultRow>(clinic: string, wanted: Wanted, text: string, values: readonly unknown[], weight: Weight = 'light') =>
    gate.run(clinic, weight, wanted, async () => {
      try {
        return await lendConnection(pool, wanted.signal, async (client) => {
          await client.query('begin read only')
          await client.query("select set_config('chartwarden.clinic', $1, true)", [clinic])
          const { rows } = await client.query<Row>(text, [...values])
          await client.query('commit')
          return rows
        })
      } catch (cause) {
        throw cause instanceof ChartwardenError ? cause : unavailable(cause)
      }
    })
