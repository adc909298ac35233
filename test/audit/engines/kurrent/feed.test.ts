import t from 'tap'
import { createChanges } from '../../../../services/audit/engines/changes.ts'
import { createFeed } from '../../../../services/audit/engines/kurrent/feed.ts'
import type { FeedRow } from '../../../../services/audit/engines/kurrent/ledger-index.ts'
import type { StoredEntry } from '../../../../services/audit/ledger.ts'
import { leafHash } from '../../../../services/audit/log/tree-hash.ts'
import { fault } from '../../../support/fault.ts'
import { decision } from '../../../support/ledger-entries.ts'

const entries = [...'abacb'].map((clinic, at): StoredEntry => {
  const revision = BigInt([...'abacb'].slice(0, at).filter((other) => other === clinic).length)
  return { ...decision(), clinic, revision, recordedAt: 1 }
})
const rows = entries.map(
  ({ clinic, revision, bytes }, at): FeedRow => ({
    position: String(at + 1),
    clinic,
    revision: String(revision),
    leaf_hash: leafHash(bytes),
  }),
)

const feedOver = (rows: readonly FeedRow[], stored: readonly StoredEntry[]) =>
  createFeed({
    index: {
      after: async (position, most) => rows.filter((row) => BigInt(row.position) > position).slice(0, most),
      leavesAfter: async () => [],
      leavesOf: async () => undefined,
      end: async () => BigInt(rows.at(-1)?.position ?? 0),
    },
    reader: {
      async *at(clinic, revisions) {
        yield* stored.filter((entry) => entry.clinic === clinic && revisions.includes(entry.revision))
      },
    },
    changes: createChanges(),
    pollMs: 10,
    pageEntries: 4,
    begin: () => {},
    closing: new AbortController().signal,
  })

const firstOf = async (feed: ReturnType<typeof feedOver>) => {
  for await (const batch of feed.subscribe(undefined, new AbortController().signal)) return batch
  return undefined
}

t.test('entries of several streams come in the order of the index', async (t) => {
  const batch = await firstOf(feedOver(rows, entries))
  t.same(
    batch?.entries.map(({ id }) => id),
    entries.slice(0, 4).map(({ id }) => id),
  )
  t.equal(batch?.position, '4')
})

t.test('an entry that is not the one that was indexed is not handed on', async (t) => {
  const changed = entries.map((entry, at) => (at === 1 ? { ...entry, bytes: Buffer.from('changed since') } : entry))
  await t.rejects(firstOf(feedOver(rows, changed)), fault('INTERNAL'))
})

t.test('a position that is missing is a fault, not a shorter feed', async (t) => {
  await t.rejects(firstOf(feedOver([rows[0]!, rows[2]!], entries)), fault('INTERNAL'))
})
