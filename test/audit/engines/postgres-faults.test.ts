/** What the engine makes of a database that was tampered with, lost entries, or went away. */
import t, { type Test } from 'tap'
import { createBatcher } from '../../../services/audit/batcher.ts'
import type { Append } from '../../../services/audit/ledger.ts'
import { systemClock } from '../../../services/kernel/clock.ts'
import { fault } from '../../support/fault.ts'
import { appendOf, change, collect, decision, openClinic, readFeed, wholeLedger } from '../../support/ledger-entries.ts'
import { createLedgerDatabase, openEngine, openPool } from '../../support/postgres-engine.ts'
import { waitFor } from '../../support/wait-for.ts'

const schema = 'chartwarden_ledger'

const open = async (t: Test, pollMs = 50) => {
  const database = await createLedgerDatabase(t)
  const superuser = openPool(t, database.adminUrl)
  const engine = openEngine(t, database, { pollMs })
  const clinic = await openClinic(engine)
  return { database, superuser, engine, clinic }
}

const causeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
  } catch (thrown) {
    return String((thrown as Error).cause)
  }
  return 'nothing was thrown'
}

t.test('a deleted entry is named by whoever reads over it', async (t) => {
  const { superuser, engine, clinic } = await open(t)
  await engine.appendBatch([appendOf(clinic, 0n, [decision(), decision(), decision()])])
  await superuser.query(`alter table ${schema}.entries disable trigger refuse_change`)
  await superuser.query(`delete from ${schema}.entries where clinic = $1 and revision = 2`, [clinic])
  t.match(await causeOf(wholeLedger(engine, clinic)), 'revision 2 is missing: found 3')
  t.match(await causeOf(readFeed(engine, undefined, () => false)), 'position 3 is missing: found 4')
  t.equal((await collect(engine.read(clinic, 0n, 1n))).length, 2, 'what is there can be read')
})

t.test('entries cut off the end are missed by the feed', async (t) => {
  const { superuser, engine, clinic } = await open(t)
  await engine.appendBatch([appendOf(clinic, 0n, [decision(), decision()])])
  const beforeLast = await readFeed(engine, undefined, (seen) => seen.length === 3)
  await engine.appendBatch([appendOf(clinic, 0n, [decision()])])
  await superuser.query(`alter table ${schema}.entries disable trigger refuse_change`)
  await superuser.query(`delete from ${schema}.entries where clinic = $1 and revision = 3`, [clinic])
  t.match(await causeOf(readFeed(engine, beforeLast.position, () => false)), 'position 4 is missing: found nothing')
})

t.test('a log that ends before what was seen takes no more appends and says why', async (t) => {
  const { superuser, engine, clinic } = await open(t)
  await engine.appendBatch([appendOf(clinic, 0n, [decision(), decision()])])
  const end = await engine.end()
  await superuser.query(`update ${schema}.log_head set position = 1`)
  await t.rejects(engine.appendBatch([appendOf(clinic, 0n, [decision()])]), fault('LEDGER_REGRESSED'))
  const batcher = createBatcher({ engine, clock: systemClock })
  await t.rejects(batcher.append(appendOf(clinic, 0n, [decision()])), fault('LEDGER_REGRESSED'))
  await t.rejects(
    readFeed(engine, end, () => false),
    fault('LEDGER_REGRESSED'),
  )
})

t.test('without its listening connection the feed is found by polling, and it listens again', async (t) => {
  const { superuser, engine, clinic } = await open(t)
  const listening = `select pid from pg_stat_activity where datname = current_database() and query ilike 'listen %'`
  const start = await engine.end()
  const reader = readFeed(engine, start, (seen) => seen.length >= 3)
  const listener = async () => (await superuser.query<{ pid: number }>(listening)).rows[0]?.pid
  await waitFor('a listening connection', async () => (await listener()) !== undefined)
  await engine.appendBatch([appendOf(clinic, 0n, [decision()])])
  const lost = await listener()
  await superuser.query('select pg_terminate_backend($1)', [lost])
  await engine.appendBatch([appendOf(clinic, 0n, [decision()])])
  await waitFor('another listening connection', async () => ![undefined, lost].includes(await listener()))
  await engine.appendBatch([appendOf(clinic, 0n, [decision()])])
  t.equal((await reader).entries.length, 3)
})

t.test('a reader is woken by the entry, long before it would look for itself', async (t) => {
  const { engine, clinic } = await open(t, 3_600_000)
  const start = await engine.end()
  const reader = readFeed(engine, start, (seen) => seen.length >= 5)
  for (let round = 0; round < 5; round += 1) await engine.appendBatch([appendOf(clinic, 0n, [decision()])])
  t.equal((await reader).entries.length, 5)
})

t.test(
  'appends under a connection that is cut again and again are never lost once answered, and a retry tells what became of the others',
  async (t) => {
    const { database, superuser, engine, clinic } = await open(t)
    const batcher = createBatcher({ engine, clock: systemClock })
    const cut = `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename <> current_user and query ~ 'append'`
    let cutting = true
    const cutter = (async () => {
      while (cutting) await superuser.query(cut)
    })()
    const asked: Append[] = []
    const answers = new Map<string, string>()
    const failures = () => [...answers.values()].filter((answer) => answer === 'LEDGER_UNAVAILABLE').length
    while (asked.length < 200 || (failures() < 20 && asked.length < 5_000)) {
      const round = Array.from({ length: 10 }, () => appendOf(clinic, 0n, [decision()]))
      asked.push(...round)
      await Promise.all(
        round.map(async (append) => {
          const answer = await batcher.append(append).then(
            (outcome) => outcome.kind,
            (thrown: { reason: string }) => thrown.reason,
          )
          answers.set(append.entries[0]!.id, answer)
        }),
      )
    }
    cutting = false
    await cutter
    const other = openEngine(t, database)
    const held = new Set((await wholeLedger(other, clinic)).map((entry) => entry.id))
    const kinds = new Set(answers.values())
    t.ok(failures() >= 20, `${failures()} failed`)
    t.ok(
      [...kinds].every((kind) => kind === 'stored' || kind === 'LEDGER_UNAVAILABLE'),
      [...kinds].join(),
    )
    for (const [id, answer] of answers) if (answer === 'stored') t.ok(held.has(id))
    const retried = await other.appendBatch(asked)
    for (const [index, outcome] of retried.entries()) {
      t.equal(outcome.kind, held.has(asked[index]!.entries[0]!.id) ? 'duplicate' : 'stored')
    }
    t.equal((await wholeLedger(other, clinic)).length, asked.length + 1)
  },
)

t.test('a database that cannot be reached is LEDGER_UNAVAILABLE for every call, with the cause', async (t) => {
  const { database } = await open(t)
  const nowhere = new URL(database.writerUrl)
  nowhere.pathname = '/no_such_database'
  const engine = openEngine(t, { ...database, writerUrl: nowhere.href, feedUrl: nowhere.href })
  const calls: readonly (() => Promise<unknown>)[] = [
    () => engine.appendBatch([appendOf('a', 'any', [decision()])]),
    () => engine.head('a'),
    () => engine.time(),
    () => engine.find('a', []),
    () => engine.clinics('', 1),
    () => engine.end(),
    () => wholeLedger(engine, 'a'),
    () => collect(engine.readState('a', 0n)),
    () => readFeed(engine, undefined, () => true),
  ]
  for (const call of calls) await t.rejects(call(), fault('LEDGER_UNAVAILABLE'))
  t.match(await causeOf(engine.head('a')), /no_such_database/)
})

t.test('an append that waited for its turn beyond its not after is stale: the clock is read after the wait', async (t) => {
  const { superuser, engine, clinic } = await open(t)
  const client = await superuser.connect()
  t.teardown(() => client.release())
  await client.query('begin')
  await client.query(`select from ${schema}.log_head for update`)
  const notAfter = (await engine.time()) + 200
  const waiting = engine.appendBatch([appendOf(clinic, 0n, [decision()], { notAfter })])
  const blocked = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query ~ 'chartwarden_ledger.append'`
  await waitFor('the append to wait for the lock', async () => (await superuser.query(blocked)).rowCount === 1)
  await waitFor('the moment to pass', async () => (await engine.time()) >= notAfter)
  await client.query('commit')
  t.match(await waiting, [{ kind: 'stale' }])
})

t.test('what was committed while an append waited for its turn is seen by it', async (t) => {
  const { database, superuser, engine, clinic } = await open(t)
  const other = openEngine(t, database)
  const client = await superuser.connect()
  t.teardown(() => client.release())
  const shared = decision()
  await client.query('begin')
  await client.query(`select from ${schema}.log_head for update`)
  const waiting = [
    engine.appendBatch([appendOf(clinic, 0n, [change()]), appendOf(clinic, 'any', [shared])]),
    other.appendBatch([appendOf(clinic, 0n, [change()]), appendOf(clinic, 'any', [shared])]),
  ]
  const blocked = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query ~ 'chartwarden_ledger.append'`
  await waitFor('both appends to wait for the lock', async () => (await superuser.query(blocked)).rowCount === 2)
  await client.query('commit')
  const kinds = (await Promise.all(waiting)).map((outcomes) => outcomes.map((outcome) => outcome.kind).join())
  t.same(kinds.sort(), ['moved,duplicate', 'stored,stored'])
})

t.test('a statement that is not answered in time is given up', async (t) => {
  const { database, superuser, engine, clinic } = await open(t)
  const hasty = openEngine(t, database, { answerTimeoutMs: 300 })
  const client = await superuser.connect()
  await client.query('begin')
  await client.query(`select from ${schema}.log_head for update`)
  await t.rejects(hasty.appendBatch([appendOf(clinic, 0n, [decision()])]), fault('LEDGER_UNAVAILABLE'))
  await client.query('rollback')
  client.release()
  t.match(await engine.appendBatch([appendOf(clinic, 0n, [decision()])]), [{ kind: 'stored' }])
})

t.test('closing the engine ends its readers', async (t) => {
  const { engine } = await open(t)
  const end = await engine.end()
  const read = engine.subscribe(end, new AbortController().signal)[Symbol.asyncIterator]()
  const next = read.next()
  await engine.close()
  t.equal((await next).done, true)
})
