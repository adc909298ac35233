import fc from 'fast-check'
import t from 'tap'
import { type CopyValue, copyRows } from '../../../services/kernel/postgres/copy-rows.ts'
import { createTestDatabase } from '../../support/postgres.ts'
import { openPool } from '../../support/postgres-engine.ts'

const database = await createTestDatabase(t)
const pool = openPool(t, database.adminUrl, { max: 1 })
const client = await pool.connect()
t.teardown(() => client.release())
await client.query('create table kept (n bigint, label text, yes boolean, bytes bytea)')
const columns = ['n', 'label', 'yes', 'bytes']

interface Row {
  readonly n: string
  readonly label: string | null
  readonly yes: boolean
  readonly bytes: Buffer | null
}

const kept = async (): Promise<readonly Row[]> => (await client.query<Row>('select * from kept order by n')).rows
const empty = () => client.query('truncate kept')

t.test('rows come in as they are, whatever their text and bytes hold', async (t) => {
  const label = fc.option(
    fc.string({ unit: fc.constantFrom('\\', 'N', '.', 'x', '\n', '\r', '\t', '"', "'", ' ', 'ä', '\u{1F600}', '\u2028'), maxLength: 12 }),
  )
  const row = fc.record({ label, yes: fc.boolean(), bytes: fc.option(fc.uint8Array({ maxLength: 40 })) })
  await fc.assert(
    fc.asyncProperty(fc.array(row, { maxLength: 30 }), async (rows) => {
      await empty()
      const given = rows.map(({ label, yes, bytes }, n): readonly CopyValue[] => [n, label ?? undefined, yes, bytes ?? undefined])
      t.equal(await copyRows(client, 'kept', columns, given), rows.length)
      t.same(
        await kept(),
        rows.map(({ label, yes, bytes }, n) => ({ n: String(n), label, yes, bytes: bytes === null ? null : Buffer.from(bytes) })),
      )
    }),
    { numRuns: 40 },
  )
})

t.test('numbers keep every digit, and more rows than one piece holds all arrive', async (t) => {
  await empty()
  const large = 2n ** 62n
  const rows = Array.from({ length: 5_000 }, (_, place): readonly CopyValue[] => [large + BigInt(place), 'x'.repeat(40), true, undefined])
  t.equal(await copyRows(client, 'kept', columns, rows), rows.length)
  t.equal((await kept()).at(-1)?.n, String(large + 4_999n))
})

t.test('what the rows throw, and what the server refuses, leaves none of them, and the connection goes on', async (t) => {
  await empty()
  async function* failing(): AsyncGenerator<readonly CopyValue[]> {
    for (let n = 0; n < 3_000; n += 1) yield [n, 'a row that is long enough to be sent', true, undefined]
    throw new Error('the source broke')
  }
  await t.rejects(copyRows(client, 'kept', columns, failing()), { message: 'the source broke' })
  await t.rejects(copyRows(client, 'kept', columns, [['not a number', 'x', true, undefined]]), { code: '22P02' })
  t.same(await kept(), [])
  t.equal(await copyRows(client, 'kept', columns, []), 0)
  t.equal(await copyRows(client, 'kept', columns, [[1, undefined, false, undefined]]), 1)
})
