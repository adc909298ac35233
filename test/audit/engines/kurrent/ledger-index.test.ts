import t from 'tap'
import type { StoredEntry } from '../../../../services/audit/ledger.ts'
import { leafHash } from '../../../../services/audit/log/tree-hash.ts'
import { fault } from '../../../support/fault.ts'
import { createIndexDatabase, openIndex } from '../../../support/kurrent-index.ts'
import { change, decision, newClinic } from '../../../support/ledger-entries.ts'
import { openPool } from '../../../support/postgres-engine.ts'

const database = await createIndexDatabase(t)
const [index, other] = [openIndex(t, database), openIndex(t, database)]

/** Entries as a stream has them, from a revision on; `c` changes the state. */
const entriesOf = (clinic: string, kinds: string, from = 0): readonly StoredEntry[] =>
  [...kinds].map((kind, at) => ({ ...(kind === 'c' ? change() : decision()), clinic, revision: BigInt(from + at), recordedAt: 1_000 + at }))

const positions = async () => {
  const rows = await index.after(0n, 10_000)
  return rows.map(({ position }) => BigInt(position))
}

t.test('what is added is found by id, and moves head and state', async (t) => {
  const clinic = newClinic()
  const entries = entriesOf(clinic, 'cddcd')
  t.equal(await index.head(clinic), undefined)
  await index.add(entries)
  t.same(await other.head(clinic), { revision: 4n, stateRevision: 3n })
  t.same(await other.stateRevisions(clinic, 1n, 10), [3n])
  t.same(await other.revisionsOf(clinic, [entries[4]!.id, entries[1]!.id]), [1n, 4n])
  t.equal(await other.idAt(clinic, 2n), entries[2]!.id)
  const { time, clinics } = await other.look(new Map([[clinic, [entries[1]!.id, decision().id]]]))
  t.ok(Math.abs(time - (await other.time())) < 5_000)
  t.match(clinics.get(clinic), { exists: true, revision: 4n, stateRevision: 3n })
  t.same([...(clinics.get(clinic)?.entries.keys() ?? [])], [entries[1]!.id])
  t.same(clinics.get(clinic)?.entries.get(entries[1]!.id)?.requestDigest, Buffer.from(entries[1]!.requestDigest))
})

t.test('a clinic that is not there is told apart from one that is empty', async (t) => {
  const { clinics } = await index.look(
    new Map([
      ['nowhere', []],
      ['_system', []],
    ]),
  )
  t.match(clinics.get('nowhere'), { exists: false, revision: -1n, stateRevision: -1n })
  t.match(clinics.get('_system'), { exists: true, revision: -1n, stateRevision: -1n })
})

t.test('what comes twice is added once, by whomever and at once', async (t) => {
  const clinic = newClinic()
  const entries = entriesOf(clinic, 'cdddddddd')
  await Promise.all([
    index.add(entries.slice(0, 5)),
    other.add(entries.slice(0, 7)),
    index.add(entries.slice(0, 2)),
    other.add(entries),
    index.add(entries),
  ])
  t.same(await index.head(clinic), { revision: 8n, stateRevision: 0n })
  const rows = (await index.after(0n, 10_000)).filter((row) => row.clinic === clinic)
  t.same(
    rows.map(({ revision }) => Number(revision)),
    [0, 1, 2, 3, 4, 5, 6, 7, 8],
  )
  t.ok(rows.every(({ leaf_hash }, at) => leaf_hash.equals(leafHash(entries[at]!.bytes))))
  const all = await positions()
  t.same(
    all,
    all.map((_, at) => BigInt(at + 1)),
    'gapless',
  )
})

t.test('what does not follow on what is there waits until what is between has come', async (t) => {
  const [late, early] = [newClinic(), newClinic()]
  const entries = entriesOf(late, 'cdcd')
  await index.add([...entries.slice(2), ...entriesOf(early, 'cd')])
  t.equal(await index.head(late), undefined)
  t.same(await index.head(early), { revision: 1n, stateRevision: 0n }, 'and keeps back no other clinic')
  await index.add(entries.slice(0, 2))
  t.same(await index.head(late), { revision: 1n, stateRevision: 0n })
  await index.add(entries.slice(1))
  t.same(await index.head(late), { revision: 3n, stateRevision: 2n })
})

t.test('an id that a stream has twice is refused, and nothing of that batch is added', async (t) => {
  const clinic = newClinic()
  const [first, second] = entriesOf(clinic, 'cd')
  const end = await index.end()
  await t.rejects(index.add([first!, { ...second!, id: first!.id }]), fault('INTERNAL'))
  t.equal(await index.head(clinic), undefined)
  t.equal(await index.end(), end)
})

t.test('the place of who follows never goes back', async (t) => {
  t.equal(await index.place(), undefined)
  await index.keepPlace({ commit: 900n, prepare: 890n })
  await other.keepPlace({ commit: 800n, prepare: 800n })
  t.same(await index.place(), { commit: 900n, prepare: 890n })
  await other.keepPlace({ commit: 2n ** 60n, prepare: 2n ** 60n })
  t.same(await index.place(), { commit: 2n ** 60n, prepare: 2n ** 60n })
})

t.test('each database has an installation of its own, the same for everybody', async (t) => {
  const id = await index.installation()
  t.match(id, /^[0-9a-f]{32}$/)
  t.equal(await other.installation(), id)
})

t.test('no login of the service changes what is there, or writes round the function', async (t) => {
  const clinic = newClinic()
  await index.add(entriesOf(clinic, 'cd'))
  const schema = 'chartwarden_kurrent'
  const forbidden = [
    ...['entries', 'heads', 'log_head', 'installation'].flatMap((table) => [
      `delete from ${schema}.${table}`,
      `truncate ${schema}.${table}`,
    ]),
    `update ${schema}.entries set leaf_hash = sha256('x')`,
    `update ${schema}.heads set revision = 0`,
    `update ${schema}.log_head set position = 0`,
    `update ${schema}.installation set id = 'x'`,
    `insert into ${schema}.heads values ('intruder', 5, 5)`,
    `insert into ${schema}.entries values (1000, 1000, 0, gen_random_uuid(), false, '${clinic}', sha256('x'), sha256('x'))`,
    `drop table ${schema}.entries`,
    `alter table ${schema}.entries disable trigger all`,
  ]
  for (const url of [database.writerUrl, database.feedUrl, database.queryUrl]) {
    const pool = openPool(t, url)
    for (const statement of forbidden) await t.rejects(pool.query(statement), { code: '42501' } as unknown as Error, statement)
  }
  const superuser = openPool(t, database.adminUrl, { max: 1 })
  await superuser.query('set session_replication_role = replica')
  for (const statement of forbidden.slice(0, 8))
    await t.rejects(superuser.query(statement), { code: '42501' } as unknown as Error, statement)
  const { rows } = await openPool(t, database.queryUrl).query(`select from ${schema}.entries`)
  t.equal(rows.length, 0, 'whoever reads for one clinic is shown none before it is named')
})

t.test('where the index cannot be sure of what was committed, it takes nothing', async (t) => {
  const pool = openPool(t, database.writerUrl, { max: 1 })
  const call = `select chartwarden_kurrent.add('{}', '{}', '{}', '{}', '{}', '{}', '', '')`
  await pool.query('set synchronous_commit = off')
  await t.rejects(pool.query(call), { code: '55000' } as unknown as Error)
  await pool.query('reset synchronous_commit')
  await pool.query('set default_transaction_isolation = serializable')
  await t.rejects(pool.query(call), { code: '25001' } as unknown as Error)
  await pool.query('reset default_transaction_isolation')
  await pool.query(call)
})
