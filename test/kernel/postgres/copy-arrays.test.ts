import pg from 'pg'
import t, { type Test } from 'tap'
import { copyArrays } from '../../../services/kernel/postgres/copy-arrays.ts'
import { createTestDatabase } from '../../support/postgres.ts'

const connected = async (t: Test): Promise<pg.Client> => {
  const database = await createTestDatabase(t)
  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  t.teardown(() => client.end())
  return client
}

t.test('elements of every length come as they are, row by row and column by column', async (t) => {
  const client = await connected(t)
  const rows = await copyArrays(
    client,
    `select array_agg(n::bigint order by n), array_agg(convert_to(repeat('ü', n * n * n), 'UTF8') order by n), array_agg(n % 2 = 1 order by n)
     from generate_series(0, 40) n group by n / 16 order by n / 16`,
  )
  t.strictSame(
    rows.map((row) => row.map((column) => column.length)),
    [
      [16, 16, 16],
      [16, 16, 16],
      [9, 9, 9],
    ],
  )
  for (const [at, [numbers = [], texts = [], flags = []]] of rows.entries()) {
    for (const [place, number] of numbers.entries()) {
      const n = 16 * at + place
      t.equal(number.readBigInt64BE(), BigInt(n))
      t.ok(texts[place]?.equals(Buffer.from('ü'.repeat(n ** 3))), `${n} cubed`)
      t.equal(flags[place]?.[0], n % 2)
    }
  }
  t.strictSame(await copyArrays(client, `select array['a'] where false`), [], 'no row')
})

t.test('what is null is empty, and moves nothing of what stands beside it', async (t) => {
  const client = await connected(t)
  const rows = await copyArrays(client, `select array['a', null, '', 'b'], null::text[], array[]::text[], array['c']`)
  t.strictSame(
    rows.map((row) => row.map((column) => column.map(String))),
    [[['a', '', '', 'b'], [], [], ['c']]],
  )
})

t.test('what the server refuses is thrown, and the connection goes on', async (t) => {
  const client = await connected(t)
  await t.rejects(copyArrays(client, 'select array[1 / 0]'), { code: '22012' })
  await t.rejects(copyArrays(client, 'select array[1 / (n - 50000)] from generate_series(1, 60000) n'), { code: '22012' }, 'in the middle')
  t.equal((await copyArrays(client, 'select array[1]')).length, 1, 'twin: what it does not')
})
