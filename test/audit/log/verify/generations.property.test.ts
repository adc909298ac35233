/** A log that was begun anew after its history was rewritten: what was kept of the one before is not forgotten for what was kept of the new. */
import fc from 'fast-check'
import t from 'tap'
import { type JudgedHead, judge } from '../../../../services/audit/log/verify/judge.ts'
import { observe } from '../../../../services/audit/log/verify/observe.ts'
import { unexplained, verifyLedger } from '../../../../services/audit/log/verify/verify-ledger.ts'
import {
  checkpointOf,
  entryBytes,
  foundIn,
  keptCheckpoint,
  logKeyOf,
  originOf,
  sourceOf,
  tilesOf,
  verifierKeyFor,
} from '../../../support/kept-ledger.ts'

const clinic = 'north'
const key = logKeyOf('the clinic')
const keys = [verifierKeyFor(clinic, key), verifierKeyFor(clinic, key, 2)]
const honest = Array.from({ length: 300 }, (_, revision) => entryBytes(clinic, BigInt(revision)))

const scenario = fc.record({
  count: fc.integer({ min: 1, max: honest.length }),
  changed: fc.nat({ max: honest.length - 1 }),
  /** Sizes of checkpoints from outside, of the first log and of the one that was begun anew. */
  first: fc.array(fc.integer({ min: 1, max: honest.length }), { minLength: 1, maxLength: 3 }),
  second: fc.array(fc.integer({ min: 1, max: honest.length }), { maxLength: 3 }),
  knowsKeys: fc.boolean(),
})

const ledgerOf = (count: number, changed: number) => {
  const rows = honest.slice(0, count).map((row, at) => (at === changed ? entryBytes(clinic, BigInt(at), 'rewritten') : row))
  return { rows, found: foundIn(rows) }
}

t.test('whoever holds a checkpoint from outside that does not fit is told that the ledger is damaged, whatever else fits', () =>
  fc.assert(
    fc.asyncProperty(scenario, async ({ count, changed, first, second, knowsKeys }) => {
      const { rows, found } = ledgerOf(count, changed)
      const current = second.map((size) => checkpointOf(clinic, rows, BigInt(Math.min(size, count)), key, 2))
      const report = await verifyLedger({
        source: sourceOf({
          clinic,
          entries: found,
          tiles: tilesOf(rows),
          published: [checkpointOf(clinic, rows, BigInt(count), key, 2)],
          keys,
        }),
        anchors: {
          checkpoints: [
            ...first.map((size, at) => keptCheckpoint(checkpointOf(clinic, honest, BigInt(size), key), `first ${at}`)),
            ...current.map((note, at) => keptCheckpoint(note, `second ${at}`)),
          ],
          receipts: [],
          keys: knowsKeys ? keys : [],
        },
      })
      const failing = first.some((size) => size > count || size > changed)
      t.equal(report.outcome, failing ? 'damaged' : 'verified')
      t.equal(
        report.anchors.some(({ outside, verdict }) => outside && verdict !== 'agrees'),
        failing,
      )
      const tells = report.faults.every(
        ({ kind, revision, lastRevision }) =>
          kind === 'ledger_rolled_back' || (revision <= BigInt(changed) && BigInt(changed) <= lastRevision),
      )
      t.ok(tells, 'and every range that is named holds the entry that was changed')
    }),
    { numRuns: 150 },
  ),
)

t.test('the judge itself names what such a checkpoint shows', async (t) => {
  const { rows, found } = ledgerOf(300, 42)
  const read = (note: string, label: string) => ({ ...keptCheckpoint(note, label), outside: true, givenOut: true })
  const heads = [
    read(checkpointOf(clinic, honest, 200n, key), 'January'),
    read(checkpointOf(clinic, rows, 250n, key, 2), 'June'),
    read(checkpointOf(clinic, rows, 150n, key, 2), 'May'),
  ]
  const parts = sourceOf({ clinic, entries: found, tiles: tilesOf(rows), published: [], keys }).read()
  const seen = await observe({ clinic, parts, sizes: heads.map(({ size }) => size) })
  const { unresolved } = judge({ seen, heads })
  t.match(unresolved, [{ head: { label: 'January' }, from: 0n, to: 200n }], 'what fits of another log narrows nothing')
})

t.test('no checkpoint from outside that does not fit passes without a fault', (t) => {
  const head = (verdict: JudgedHead['verdict'], outside = true): JudgedHead => ({
    origin: originOf(clinic),
    size: 20n,
    root: Buffer.alloc(32),
    outside,
    givenOut: true,
    label: 'it',
    verdict,
  })
  t.match(unexplained(clinic, 10n, [head('differs')], []), [{ kind: 'entry_changed', revision: 0n, lastRevision: 19n }])
  t.match(unexplained(clinic, 10n, [head('beyond')], []), [{ kind: 'ledger_rolled_back', revision: 10n, lastRevision: 19n }])
  t.strictSame(unexplained(clinic, 10n, [head('agrees'), head('differs', false)], []), [], 'twin: one that fits, and one from inside')
  t.end()
})
