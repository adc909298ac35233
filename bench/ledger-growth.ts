import type pg from 'pg'
import { accountFaults, type Growth } from './measure/accounts.ts'

/** Revisions of all clinics' last entries. */
type Heads = ReadonlyMap<string, bigint>

/** Holds what clients were answered against what the ledger holds. */
export interface LedgerGrowth {
  /** Runs the work and throws unless every clinic's ledger grew by exactly the permits that the work says were answered. */
  during<Result>(work: () => Promise<Result>, answersOf: (result: Result) => ReadonlyMap<string, number>): Promise<Result>
  /** Resolves when the read models have taken every entry; milliseconds it took. */
  waitForReadModels(): Promise<number>
}

const decided = 'chartwarden.access.decided.v1'
const introduced = 'chartwarden.identity.introduced.v1'

/** Of read models for a ledger that no longer grows. */
const longestWaitMs = 120_000

/** `database`: the superuser's, since no other login sees every clinic. */
export const createLedgerGrowth = (database: pg.Pool): LedgerGrowth => {
  const heads = async (): Promise<Heads> => {
    const { rows } = await database.query<{ clinic: string; revision: string }>('select clinic, revision from chartwarden_ledger.heads')
    return new Map(rows.map(({ clinic, revision }) => [clinic, BigInt(revision)]))
  }

  const growthSince = async (before: Heads): Promise<ReadonlyMap<string, Growth>> => {
    const { rows } = await database.query<{ clinic: string; type: string; entries: number; permits: number }>(
      `select e.clinic, e.type, count(*)::int as entries,
        (count(*) filter (where position(convert_to('"decision":"permit"', 'UTF8') in e.bytes) > 0))::int as permits
      from unnest($1::text[], $2::bigint[]) as before (clinic, revision)
        join chartwarden_ledger.entries e on e.clinic = before.clinic collate "C" and e.revision > before.revision
      group by e.clinic, e.type`,
      [[...before.keys()], [...before.values()].map(String)],
    )
    const growth = new Map<string, Growth>()
    for (const { clinic, type, entries, permits } of rows) {
      const so = growth.get(clinic) ?? { permits: 0, denials: 0, identities: 0, others: [] }
      if (type === decided) growth.set(clinic, { ...so, permits, denials: entries - permits })
      else if (type === introduced) growth.set(clinic, { ...so, identities: entries })
      else growth.set(clinic, { ...so, others: [...so.others, type] })
    }
    return growth
  }

  const behind = async (): Promise<number> => {
    const { rows } = await database.query<{ behind: number }>(
      `select count(*)::int as behind
      from chartwarden_ledger.heads h
        cross join (select distinct lane from chartwarden_projections.generations where state = 'live') g
        left join chartwarden_projections.clinic_progress p on p.lane = g.lane and p.clinic = h.clinic
      where h.revision > coalesce(p.complete_to_revision, -1)`,
    )
    return rows[0]?.behind ?? 0
  }

  return {
    during: async (work, answersOf) => {
      const before = await heads()
      const result = await work()
      const faults = accountFaults(answersOf(result), await growthSince(before))
      if (faults.length > 0) throw new Error(`the ledger did not grow by what was answered: ${faults.slice(0, 5).join('; ')}`)
      return result
    },
    waitForReadModels: async () => {
      const started = performance.now()
      const until = started + longestWaitMs
      while ((await behind()) > 0) {
        if (performance.now() > until) throw new Error('the read models did not come up with the ledger in time')
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
      return performance.now() - started
    },
  }
}
