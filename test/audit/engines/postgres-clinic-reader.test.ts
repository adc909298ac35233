/** Entries shown to people come through row security of their own clinic. */
import t from 'tap'
import { createClinicReader } from '../../../services/audit/engines/postgres/clinic-reader.ts'
import { type Ledger, noState } from '../../../services/audit/ledger.ts'
import { createClinicGate } from '../../../services/kernel/clinic-gate.ts'
import { systemClock } from '../../../services/kernel/clock.ts'
import { fault } from '../../support/fault.ts'
import { change, decision } from '../../support/ledger-entries.ts'
import { createLedgerDatabase, openEngine, openPool } from '../../support/postgres-engine.ts'

const all = async (entries: AsyncIterable<{ readonly id: string; readonly revision: bigint }>): Promise<string[]> => {
  const found: string[] = []
  for await (const { id } of entries) found.push(id)
  return found
}

t.test('a clinic’s entries are read in pages, in order, and no other clinic’s', async (t) => {
  const database = await createLedgerDatabase(t)
  const engine = openEngine(t, database)
  const ids = new Map<string, string[]>()
  for (const clinic of ['north', 'south']) {
    const entries = [change(), ...Array.from({ length: 24 }, () => decision())]
    ids.set(
      clinic,
      entries.map(({ id }) => id),
    )
    await engine.appendBatch([{ clinic, entries, restsOn: noState }])
  }
  const pool = openPool(t, database.queryUrl, { max: 1 })
  const reader = createClinicReader({ pool, pageEntries: 10 })
  for (const clinic of ['north', 'south', 'north']) {
    t.same(await all(reader.read(clinic, 0n, 100n)), ids.get(clinic))
    t.same(await all(reader.read(clinic, 5n, 7n)), ids.get(clinic)?.slice(5, 8))
  }
  t.same(await all(reader.read('nowhere', 0n, 100n)), [])
  const [northern] = ids.get('north') as [string]
  t.same([...(await reader.find('north', [northern, 'no uuid'])).keys()], [northern])
  t.same([...(await reader.find('south', [northern])).keys()], [])

  const left = await pool.query('select count(*)::int as count from chartwarden_ledger.entries')
  t.same(left.rows, [{ count: 0 }], 'the connection sees nothing once the reading is over')
  const client = await pool.connect()
  await client.query('begin')
  await client.query("select set_config('chartwarden.clinic', 'south', true)")
  const crossed = await client.query("select count(*)::int as count from chartwarden_ledger.entries where clinic = 'north'")
  await client.query('rollback')
  client.release()
  t.same(crossed.rows, [{ count: 0 }], 'asked for another clinic’s entries the database shows none')
})

t.test('a database that is gone is UNAVAILABLE', async (t) => {
  const pool = openPool(t, 'postgres://nobody@127.0.0.1:9/none')
  const reader: Pick<Ledger, 'read' | 'find'> = createClinicReader({ pool })
  await t.rejects(reader.find('north', []), { message: /ledger cannot record now/ })
})

t.test('entries are read in the clinic’s turn, and not for who has gone', async (t) => {
  const database = await createLedgerDatabase(t)
  await openEngine(t, database).appendBatch([{ clinic: 'south', entries: [change()], restsOn: noState }])
  const gate = createClinicGate({ places: 2, clinicPlaces: 1, clock: systemClock })
  const reader = createClinicReader({ pool: openPool(t, database.queryUrl, { max: 2 }), gate })
  const { promise, resolve: leave } = Promise.withResolvers<void>()
  const held = gate.run('north', 'light', { deadline: Number.POSITIVE_INFINITY }, () => promise)
  const gone = new AbortController()
  const waiting = all(reader.read('north', 0n, 9n, { deadline: Number.POSITIVE_INFINITY, signal: gone.signal }))
  t.equal((await all(reader.read('south', 0n, 9n))).length, 1, 'another clinic’s turn has nothing to do with it')
  await t.rejects(reader.find('north', [], { deadline: systemClock.monotonic() + 50 }), fault('DEADLINE_EXCEEDED'))
  gone.abort()
  await t.rejects(waiting, fault('CALL_CANCELLED'))
  leave()
  await held
  t.same(await all(reader.read('north', 0n, 9n)), [])
})
