import t from 'tap'
import type { StoredEntry } from '../../../services/audit/ledger.ts'
import type { LogState } from '../../../services/audit/log/log-store.ts'
import { type OwnLedgerOptions, readOwnLedger } from '../../../services/audit/log/own-ledger.ts'
import { type Tile, widthIn } from '../../../services/audit/log/tile.ts'
import { verifyLedger } from '../../../services/audit/log/verify/verify-ledger.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { caught } from '../../support/caught.ts'
import { collect } from '../../support/ledger-entries.ts'
import { tilesOf } from '../../support/tiles-of.ts'

const clinic = 'north'
const wanted = { deadline: Number.POSITIVE_INFINITY }

const entryOf = (revision: number): StoredEntry => {
  const id = `00000000-0000-4000-8000-${String(revision).padStart(12, '0')}`
  const requestDigest = Buffer.alloc(32, 7)
  const text = `{"caller":"c","data":{},"datacontenttype":"application/json","id":"${id}","requestdigest":"${requestDigest.toString('base64')}","salt":"AAAA","source":"/clinics/${clinic}","specversion":"1.0","time":"2026-11-23T08:00:00.000Z","type":"t"}`
  return { clinic, revision: BigInt(revision), id, type: 't', stateChanging: false, requestDigest, bytes: Buffer.from(text), recordedAt: 0 }
}

/** A ledger of so many entries whose log was looked at when so many were in it, and has grown to all of them since. */
const ledgerOf = (count: number, size: number, over: Partial<OwnLedgerOptions> = {}) => {
  const entries = Array.from({ length: count }, (_, revision) => entryOf(revision))
  const tiles = tilesOf(entries.map(({ bytes }) => bytes))
  const log: LogState = { clinic, origin: 'o', generation: 1, size: BigInt(size) }
  const options: OwnLedgerOptions = {
    clinic,
    rows: async (_, from, limit) => entries.filter(({ revision }) => revision >= from).slice(0, limit),
    // In no order, as a database may answer.
    reader: {
      tiles: async (_, ids) =>
        tiles.filter(({ level, index }) => ids.some((id) => id.level === level && id.index === index)).toReversed() as Tile[],
    },
    log,
    total: BigInt(count),
    passed: async () => {},
    wanted,
    ...over,
  }
  return { entries, options }
}

const verify = (options: OwnLedgerOptions, claimedSize: bigint) =>
  verifyLedger({
    source: { clinic, published: [], verifierKeys: [], claimedSize, hasColumns: true, read: () => readOwnLedger(options) },
    anchors: { checkpoints: [], receipts: [], keys: [] },
  })

t.test('entries and tiles of any size, however far the log has come', async (t) => {
  for (const [count, size] of [
    [0, 0],
    [1, 0],
    [1, 1],
    [255, 255],
    [256, 256],
    [257, 256],
    [1_023, 700],
    [1_024, 1_024],
    [1_025, 1_024],
    [5_000, 4_096],
    [66_000, 65_900],
  ] as const) {
    const { options } = ledgerOf(count, size)
    const parts = await collect(readOwnLedger(options))
    const read = parts.flatMap((part) => (part.kind === 'entries' ? part.entries : []))
    t.equal(read.length, count, `${count} entries`)
    const tiles = parts.flatMap((part) => (part.kind === 'tile' ? [part.tile] : []))
    t.ok(
      tiles.every((tile) => tile.hashes.length / 32 === widthIn(BigInt(size), tile)),
      'each as wide as it was',
    )
    t.equal(
      tiles.filter(({ level }) => level === 0).reduce((hashes, tile) => hashes + tile.hashes.length / 32, 0),
      size,
    )
    t.match(await verify(options, BigInt(count)), { faults: { length: 0 }, entries: BigInt(count) })
  }
})

t.test('an entry that is missing is a fault and not the end; so is a tile that is another one', async (t) => {
  const { entries, options } = ledgerOf(3_000, 3_000)
  const without = entries.filter(({ revision }) => revision !== 1_500n)
  const rows: OwnLedgerOptions['rows'] = async (_, from, limit) => without.filter(({ revision }) => revision >= from).slice(0, limit)
  t.match(
    (await verify({ ...options, rows }, 3_000n)).faults.map(({ kind, revision }) => [kind, revision]),
    [['entry_missing', 1_500n]],
  )
  const cut: OwnLedgerOptions['rows'] = async (_, from, limit) =>
    entries.filter(({ revision }) => revision >= from && revision < 2_900n).slice(0, limit)
  t.match(
    (await verify({ ...options, rows: cut }, 3_000n)).faults.map(({ kind, revision, lastRevision }) => [kind, revision, lastRevision]),
    [['ledger_truncated', 2_900n, 2_999n]],
  )
})

t.test('how far it is is told after each page, and what that throws ends the reading', async (t) => {
  const told: bigint[] = []
  const { options } = ledgerOf(2_500, 2_500, { passed: async (done) => void told.push(done) })
  await collect(readOwnLedger(options))
  t.same(told, [1_024n, 2_048n, 2_500n])
  const off = async () => {
    throw new ChartwardenError('CALL_CANCELLED')
  }
  t.match(await caught(collect(readOwnLedger({ ...options, passed: off }))), { reason: 'CALL_CANCELLED' })
})
