import t from 'tap'
import { inLedgerDatabase } from '../services/audit/log/verify/sources/database.ts'
import { createLogger } from '../services/kernel/logging.ts'
import { createPool, endPool } from '../services/kernel/postgres/pool.ts'
import { verifyDatabase } from '../services/verify-database.ts'
import { clientsOf, registerTestClinic } from './support/clinic.ts'
import { createTestDatabase } from './support/postgres.ts'
import { query } from './support/query.ts'
import { startTestService } from './support/service.ts'

t.test('no transaction outlives the ledger that it reads, which would keep the database from clearing up', async (t) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database })
  const clients = clientsOf(service, await service.token({ clinics: ['north', 'south'] }))
  for (const clinic of ['north', 'south']) await registerTestClinic(clients, clinic)
  const open = async () => {
    const rows = await query(
      database.adminUrl,
      `select state from pg_stat_activity where application_name = 'chartwarden-verify' and datname = current_database() and xact_start is not null`,
    )
    return rows.length
  }
  const seen: string[] = []
  const logger = createLogger({ level: 'error', destination: { write: () => {} } })
  const reports = verifyDatabase({
    environment: { DATABASE_URL: database.adminUrl },
    logger,
    clinic: undefined,
    anchorsOf: () => ({ checkpoints: [], receipts: [], keys: [] }),
    anchored: [],
    onLedger: (clinic) => {
      seen.push(clinic)
      return () => undefined
    },
  })
  for await (const { clinic } of reports) {
    t.equal(clinic, seen.at(-1))
    t.equal(await open(), 0, `none is open behind ${clinic}`)
  }
  t.ok(['north', 'south'].every((clinic) => seen.includes(clinic)))

  const pool = createPool({ url: database.adminUrl, applicationName: 'chartwarden-verify', logger, max: 1 })
  t.teardown(() => endPool(pool))
  t.equal(await inLedgerDatabase({ pool, keys: pool }, open), 1, 'twin: one that is open is seen')
})
