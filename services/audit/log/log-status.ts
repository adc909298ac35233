import type { Pool } from 'pg'
import type { LedgerFeed, Position } from '../ledger.ts'
import type { HaltCause } from './log-store.ts'

/** How the logs of an installation stand, whichever process seals them. */
export interface LogStatus {
  /** Entries of all ledgers that are sequenced and not integrated. */
  readonly behindEntries: bigint
  /** Logs that nothing is signed for, by cause. */
  readonly halted: ReadonlyMap<HaltCause, number>
  /** Whether somebody outside this installation has seen a checkpoint: a caller who fetched one, or a witness who cosigned one. */
  readonly seenOutside: 'never' | 'handed_out' | 'witnessed'
}

export interface LogStatusOptions {
  /** Of the feed role. */
  readonly pool: Pool
  readonly feed: Pick<LedgerFeed, 'end' | 'distance'>
}

export const readLogStatus = async ({ pool, feed }: LogStatusOptions): Promise<LogStatus> => {
  const { rows } = await pool.query<{ position: Position | null; handed_out: boolean; witnessed: boolean }>(
    `select position, handed_out_at is not null as handed_out, exists (select from chartwarden_log.cosignatures) as witnessed
     from chartwarden_log.sealer`,
  )
  const { rows: halts } = await pool.query<{ halted: HaltCause; logs: string }>(
    'select halted, count(*) as logs from chartwarden_log.logs where halted is not null group by halted',
  )
  const [row] = rows
  return {
    behindEntries: feed.distance(row?.position ?? undefined, await feed.end()),
    halted: new Map(halts.map(({ halted, logs }) => [halted, Number(logs)])),
    seenOutside: row?.witnessed === true ? 'witnessed' : row?.handed_out === true ? 'handed_out' : 'never',
  }
}

/** Notes that a checkpoint was handed to a caller. Once is enough: later calls do nothing, and one that failed is made up for by the next. */
export const createHandOutNote = (pool: Pool): (() => void) => {
  let noted = false
  return () => {
    if (noted) return
    noted = true
    pool.query('update chartwarden_log.sealer set handed_out_at = clock_timestamp() where handed_out_at is null').catch(() => {
      noted = false
    })
  }
}
