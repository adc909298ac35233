/**
 * Entries a second into the log of a ledger that nobody sealed before: leaf hashes, tiles, and signed checkpoints twice a second on the way,
 * until one covers everything. Real Postgres and signer store, fsync on. `node bench/log-catch-up.ts [entries, default 400000]`
 */
import { machine } from './machine.ts'
import { withSealedLedger } from './sealed-ledger.ts'

export interface CatchUp {
  readonly entries: number
  readonly clinics: number
  readonly bytesPerEntry: number
  readonly entriesPerSecond: number
}

const clinics = 20
const bytesPerEntry = 640

/** Entries of the usual length, in turn of every clinic, straight into the tables. */
const fill = `
  with grown as (update chartwarden_ledger.log_head set position = $1),
    headed as (insert into chartwarden_ledger.heads select 'clinic-' || c, $1 / ${clinics} - 1, -1 from generate_series(0, ${clinics - 1}) c)
  insert into chartwarden_ledger.entries (position, revision, recorded_at, id, log_id, state_changing, clinic, type, request_digest, bytes)
  select n + 1, n / ${clinics}, extract(epoch from now())::bigint * 1000, gen_random_uuid(), 1, false, 'clinic-' || n % ${clinics},
    'chartwarden.access.decided.v1', sha256('request'), convert_to(repeat(md5(n::text), ${bytesPerEntry / 32}), 'UTF8')
  from generate_series(0, $1::bigint - 1) n`

export const runCatchUp = (entries = 400_000): Promise<CatchUp> =>
  withSealedLedger(async ({ admin, seal }) => {
    await admin.query(fill, [entries])
    await admin.query('vacuum analyze chartwarden_ledger.entries')
    const started = performance.now()
    await seal(entries)
    const seconds = (performance.now() - started) / 1_000
    return { entries, clinics, bytesPerEntry, entriesPerSecond: entries / seconds }
  })

if (import.meta.main) {
  console.info(machine())
  console.info(await runCatchUp(Number(process.argv[2] ?? 400_000)))
  process.exit(0)
}
