import { createHash } from 'node:crypto'
import t from 'tap'
import { createAlignment, type Difference, noHash } from '../../../../services/audit/log/verify/alignment.ts'

const hashOf = (name: string): Buffer => (name === '-' ? noHash : createHash('sha256').update(name).digest())

/** Each word is an entry; `-`: there is none. */
const align = (found: string, logged: string, options: Parameters<typeof createAlignment>[0] = {}, rows = 3) => {
  const alignment = createAlignment(options)
  const [entries, hashes] = [found.split(' '), logged.split(' ')]
  for (let at = 0; at < Math.max(entries.length, hashes.length); at += rows) {
    const row = entries.slice(at, at + rows)
    alignment.found(
      Buffer.concat(row.map(hashOf)),
      row.map((name) => Buffer.from(name)),
    )
    alignment.logged(Buffer.concat(hashes.slice(at, at + rows).map(hashOf)))
  }
  const { differences, behind, ...rest } = alignment.end()
  const shortOf = (difference: Difference): string =>
    difference.kind === 'missing'
      ? `missing ${difference.index}`
      : difference.kind === 'extra'
        ? `extra ${difference.revision}`
        : `changed ${difference.revision}/${difference.index}`
  return { ...rest, behind: behind.map(({ revision }) => Number(revision)), differences: differences.map(shortOf) }
}

const none = { more: false, missingFrom: undefined, behind: [] }

t.test('rows that are the same have no difference, however they come', async (t) => {
  for (const rows of [1, 2, 5, 100]) t.strictSame(align('a b c d e f g', 'a b c d e f g', {}, rows), { ...none, differences: [] })
})

t.test('what differs is one entry, and not all that follow it', async (t) => {
  t.strictSame(align('a b X d e f', 'a b c d e f').differences, ['changed 2/2'])
  t.strictSame(align('a b - d e f', 'a b c d e f').differences, ['changed 2/2'], 'taken out, the others keeping their numbers')
  t.strictSame(align('a b d e f g', 'a b c d e f g').differences, ['missing 2'])
  t.strictSame(align('a b X c d e f', 'a b c d e f').differences, ['extra 2'])
  t.strictSame(align('a c b d e f', 'a b c d e f').differences, ['changed 1/1', 'changed 2/2'], 'two that changed places')
  t.strictSame(align('a d e f g h i j', 'a b c d e f g h i j').differences, ['missing 1', 'missing 2'])
  t.strictSame(align('X Y', 'a b').differences, ['changed 0/0', 'changed 1/1'], 'to the end')
})

t.test('what is gone from the end is told from what nobody has logged yet', async (t) => {
  t.strictSame(align('a b', 'a b c d'), { ...none, missingFrom: 2n, differences: [] })
  t.strictSame(align('a b c d', 'a b'), { ...none, differences: [] })
  t.strictSame(align('b a', 'a b'), { ...none, behind: [1], differences: ['missing 0'] }, 'one that was moved to the end')
  t.strictSame(align('b c', 'a b c d'), { ...none, missingFrom: 3n, differences: ['missing 0'] })
})

t.test('rows that never meet again are followed by the window, and differences kept only up to a number', async (t) => {
  const names = (prefix: string) => Array.from({ length: 50 }, (_, at) => `${prefix}${at}`).join(' ')
  const wide = align(names('x'), names('y'), { window: 4 })
  t.equal(wide.differences.length, 50)
  const cut = align(names('x'), names('y'), { window: 4, most: 7 })
  t.strictSame([cut.differences.length, cut.more], [7, true])
})

t.test('a log that ends long before the ledger holds no memory', async (t) => {
  const alignment = createAlignment({ window: 2 })
  for (let at = 0; at < 100; at += 1) alignment.found(hashOf(`e${at}`), [Buffer.from(`e${at}`)])
  t.strictSame(alignment.end(), { ...none, differences: [] })
})
