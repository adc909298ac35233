import t from 'tap'
import type { Position } from '../../../services/audit/ledger.ts'
import { fromConnection, fromPool } from '../../../services/audit/log/lend.ts'
import type { Integration, LogWriter } from '../../../services/audit/log/log-store.ts'
import { createPostgresLogReader } from '../../../services/audit/log/postgres-log-reader.ts'
import { createPostgresLogWriter } from '../../../services/audit/log/postgres-log-writer.ts'
import { createPublications } from '../../../services/audit/log/publications.ts'
import { appendLeaves, emptyEdge, type TreeEdge } from '../../../services/audit/log/tree-edge.ts'
import { fault } from '../../support/fault.ts'
import { openPool } from '../../support/postgres-engine.ts'
import { openSealing, originOf } from '../../support/sealing.ts'

const leaves = (count: number): Buffer => Buffer.alloc(32 * count, 7)

const growth = (clinic: string, edge: TreeEdge, count: number): { readonly edge: TreeEdge; readonly integration: Integration } => {
  const grown = appendLeaves(edge, leaves(count))
  return { edge: grown.edge, integration: { clinic, from: edge.size, to: grown.edge.size, tiles: grown.tiles } }
}

const wanted = (clinic: string, generation = 1) => ({ clinic, origin: `${originOf(clinic)}${generation === 1 ? '' : '/2'}`, generation })
const place = (number: number) => String(number) as Position
const root = Buffer.alloc(32, 1)

t.test('a log store in Postgres', async (t) => {
  const sealing = await openSealing(t)
  const { superuser, database, feed } = sealing
  const writer = createPostgresLogWriter({ lend: fromPool(feed) })
  const publications = createPublications({ pool: feed, pollMs: 50 })
  t.teardown(() => publications.close())
  const query = openPool(t, database.queryUrl)
  const reader = createPostgresLogReader({ pool: query, publications })
  const north = growth('north', emptyEdge, 300)
  await writer.begin(1n)
  await writer.logs([wanted('north'), wanted('south')])

  await t.test('writes tiles, sizes and the place in the feed together', async (t) => {
    t.equal(await writer.integrate(1n, [north.integration, growth('south', emptyEdge, 3).integration], place(303)), true)
    t.same(await writer.begin(1n), { position: '303', before: 1n })
    t.same(await reader.tiles('north', north.integration.tiles), north.integration.tiles)
    t.equal((await reader.log('north'))?.size, 300n)
    const next = growth('north', north.edge, 20)
    t.equal(await writer.integrate(1n, [next.integration], undefined), true)
    t.same(
      (await writer.edges(['north'])).get('north')?.map(({ level, hashes }) => [level, hashes.length / 32]),
      [
        [0, 64],
        [1, 1],
      ],
    )
    await t.rejects(writer.integrate(1n, [next.integration], place(400)), fault('INTERNAL'), 'from a size that the tree has left')
    t.match(await writer.begin(1n), { position: '303' }, 'and the place stays with it')
  })

  await t.test('of two that write, the one with the older epoch changes nothing', async (t) => {
    const newer = createPostgresLogWriter({ lend: fromPool(feed) })
    t.equal((await newer.begin(2n)).before, 1n)
    const late = growth('south', growth('south', emptyEdge, 3).edge, 5).integration
    const checkpoint = { clinic: 'south', size: 3n, root, note: 'note' }
    const attempts: readonly [string, (of: LogWriter) => Promise<unknown>, unknown][] = [
      ['integrate', (of) => of.integrate(1n, [late], place(310)), false],
      ['publish', (of) => of.publish(1n, [checkpoint]), undefined],
      ['halt', (of) => of.halt(1n, 'south', 'tiles_differ'), false],
      ['restart', (of) => of.restart(1n, wanted('south', 2)), undefined],
    ]
    for (const [what, attempt, refused] of attempts) t.equal(await attempt(writer), refused, what)
    const log = await reader.log('south')
    t.same([log?.size, log?.halted, log?.generation, await reader.checkpoint('south')], [3n, undefined, 1, undefined])

    // Twin: with the epoch ignored, both write.
    const ignoring: LogWriter = { ...writer, integrate: (_epoch, integrations, position) => writer.integrate(2n, integrations, position) }
    t.equal(await ignoring.integrate(1n, [late], place(310)), true)
    t.equal((await reader.log('south'))?.size, 8n, 'twin: what only the epoch keeps out is written')
  })

  await t.test('whoever waits is told of the checkpoint, and is given its cosignatures', async (t) => {
    const waiting = [0n, 1n, 319n].map((size) => reader.published('north', size, AbortSignal.timeout(20_000)))
    t.type(await writer.publish(2n, [{ clinic: 'north', size: 320n, root, note: 'note' }]), 'number')
    t.same(await Promise.all(waiting), [320n, 320n, 320n])
    await t.rejects(reader.published('north', 320n, AbortSignal.timeout(100)), { name: 'TimeoutError' })
    t.same(await reader.cosigned('north'), [])
    await writer.addCosignatures([
      { clinic: 'north', size: 320n, witness: 'w1', line: '— w1 1' },
      { clinic: 'north', size: 9n, witness: 'w1', line: 'under no checkpoint' },
    ])
    await writer.addCosignatures([{ clinic: 'north', size: 320n, witness: 'w1', line: '— w1 2' }])
    const newest = await reader.checkpoint('north')
    t.equal(newest?.checkpoint.note, 'note')
    t.same(newest?.cosignatures, [{ clinic: 'north', size: 320n, witness: 'w1', line: '— w1 2' }])
    t.same((await reader.cosigned('north')).length, 1)
  })

  await t.test('whoever waits for a log that is halted meanwhile waits no longer', async (t) => {
    const [halted, other] = [new AbortController(), new AbortController()]
    t.teardown(() => halted.abort())
    const waiting = reader.published('north', 320n, halted.signal)
    const twin = t.rejects(reader.published('south', 320n, other.signal))
    await writer.halt(2n, 'north', 'tiles_differ')
    t.equal(await waiting, 320n)
    t.equal((await reader.log('north'))?.halted, 'tiles_differ')
    other.abort()
    await twin
    await writer.halt(2n, 'north', undefined)
  })

  await t.test('keeps the newest checkpoint and those whose witnesses have not all cosigned a newer one', async (t) => {
    let { edge } = growth('keeping', emptyEdge, 1)
    await writer.logs([wanted('keeping')])
    await writer.integrate(2n, [growth('keeping', emptyEdge, 1).integration], undefined)
    const signed: Readonly<Record<number, readonly string[]>> = { 2: ['a', 'b'], 3: ['a'], 4: ['a', 'c'], 5: ['a'], 6: [], 7: ['c'], 8: [] }
    for (const [size, witnesses] of Object.entries(signed)) {
      const next = growth('keeping', edge, 1)
      edge = next.edge
      await writer.integrate(2n, [next.integration], undefined)
      await writer.publish(2n, [{ clinic: 'keeping', size: BigInt(size), root, note: size }])
      await writer.addCosignatures(witnesses.map((witness) => ({ clinic: 'keeping', size: BigInt(size), witness, line: witness })))
    }
    const sizes = async () =>
      (
        await superuser.query<{ size: string }>(`select size from chartwarden_log.checkpoints where clinic = 'keeping' order by size`)
      ).rows.map(({ size }) => Number(size))
    await writer.tidy(['keeping'])
    t.same(await sizes(), [2, 3, 4, 5, 6, 7, 8], 'all of the last minute')
    await superuser.query('alter table chartwarden_log.checkpoints disable trigger all')
    await superuser.query(`update chartwarden_log.checkpoints set published_at = published_at - interval '5 minutes'`)
    await superuser.query('alter table chartwarden_log.checkpoints enable trigger all')
    await writer.tidy(['keeping'])
    t.same(await sizes(), [2, 4, 5, 7, 8])
  })

  await t.test('begins anew as the next generation; what the one before published stays', async (t) => {
    const log = await writer.restart(2n, wanted('north', 2))
    t.same([log?.generation, log?.size, log?.origin, log?.published], [2, 0n, `${originOf('north')}/2`, undefined])
    t.same(await reader.tiles('north', north.integration.tiles), [])
    t.equal(await reader.checkpoint('north'), undefined)
    const { rows } = await superuser.query(`select generation from chartwarden_log.checkpoints where clinic = 'north'`)
    t.same(rows, [{ generation: 1 }])
  })

  await t.test('a strip only grows, a tree only grows, and the newest checkpoint stays, whatever the sealer asks', async (t) => {
    for (const [what, statement] of [
      ['a changed hash', `update chartwarden_log.strips set hashes = sha256('x')`],
      ['a shorter strip', 'update chartwarden_log.strips set hashes = substr(hashes, 1, 32) where octet_length(hashes) > 32'],
      ['a strip deleted', 'delete from chartwarden_log.strips'],
      ['strips truncated', 'truncate chartwarden_log.strips'],
      ['a smaller tree', `update chartwarden_log.logs set size = 1 where clinic = 'south'`],
      ['another origin', `update chartwarden_log.logs set origin = 'elsewhere'`],
      ['an earlier generation', `update chartwarden_log.logs set generation = 1 where clinic = 'north'`],
      ['a log deleted', 'delete from chartwarden_log.logs'],
      ['another note', `update chartwarden_log.checkpoints set note = 'other'`],
      ['the newest checkpoint deleted', `delete from chartwarden_log.checkpoints where clinic = 'keeping' and size = 8`],
      ['another installation', 'update chartwarden_log.sealer set installation = gen_random_uuid()'],
      ['the sealer deleted', 'delete from chartwarden_log.sealer'],
    ] as const) {
      await t.rejects(feed.query(statement), { code: '42501' }, what)
    }
    for (const statement of [
      `update chartwarden_log.strips set hashes = sha256('x')`,
      'delete from chartwarden_log.strips',
      'truncate chartwarden_log.cosignatures, chartwarden_log.checkpoints',
    ]) {
      const client = await superuser.connect()
      await client.query('set session_replication_role = replica')
      await t.rejects(client.query(statement), { code: '42501' }, `the guard holds in replica mode: ${statement}`)
      client.release(true)
    }
    // Twin: without the guard, the superuser's change goes through.
    await superuser.query('alter table chartwarden_log.strips disable trigger only_grow')
    await superuser.query(`update chartwarden_log.strips set hashes = sha256('x') where clinic = 'keeping'`)
    await superuser.query('alter table chartwarden_log.strips enable always trigger only_grow')
  })

  await t.test('people read the one clinic they name and nothing else; the writer reads nothing', async (t) => {
    const tables = ['logs', 'strips', 'checkpoints', 'cosignatures']
    for (const table of tables) {
      t.equal((await query.query(`select from chartwarden_log.${table}`)).rowCount, 0, `${table} without a clinic`)
      await t.rejects(openPool(t, database.writerUrl).query(`select from chartwarden_log.${table}`), { code: '42501' })
      await t.rejects(query.query(`delete from chartwarden_log.${table}`), { code: '42501' })
    }
    const client = await query.connect()
    await client.query('begin')
    await client.query(`select set_config('chartwarden.clinic', 'south', true)`)
    const { rows } = await client.query('select distinct clinic from chartwarden_log.strips union select clinic from chartwarden_log.logs')
    await client.query('rollback')
    client.release()
    t.same(rows, [{ clinic: 'south' }])
    await t.rejects(query.query('select from chartwarden_log.sealer'), { code: '42501' })
    t.equal(await reader.log('unknown'), undefined)
    t.equal(await reader.checkpoint('unknown'), undefined)
  })

  await t.test('a transaction that breaks off leaves nothing behind', async (t) => {
    const client = await feed.connect()
    const breaking = createPostgresLogWriter({
      lend: (work) =>
        fromConnection({
          query: ((...statement: Parameters<typeof client.query>) => {
            if (statement[0] === 'commit') throw new Error('killed')
            return client.query(...statement)
          }) as typeof client.query,
        })(work),
    })
    const before = await superuser.query('select * from chartwarden_log.logs order by clinic')
    const grown = growth('south', growth('south', emptyEdge, 8).edge, 5).integration
    await t.rejects(breaking.integrate(2n, [grown], place(999)), { message: 'killed' })
    client.release(true)
    t.same((await superuser.query('select * from chartwarden_log.logs order by clinic')).rows, before.rows)
  })
})
