/** A ledger that lost its newest entries, was begun anew and says so. */
import t from 'tap'
import { reportText } from '../../../../cli/verify/report-text.ts'
import { verifyLedger } from '../../../../services/audit/log/verify/verify-ledger.ts'
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
const honest = Array.from({ length: 43 }, (_, revision) => entryBytes(clinic, BigInt(revision)))
const restart = Buffer.from(
  `{"data":{"cause":"restored_backup","origin":"${originOf(clinic, 2)}","retired_origin":"${originOf(clinic)}","signed_size":"43"},"type":"chartwarden.log.restarted.v1"}`,
)

/** 36 entries as they were signed, the one that says that the log was given up, and newer ones; `says`: twin without that one. */
const check = (count: number, given: readonly number[], says = true) => {
  const rows = Array.from({ length: count }, (_, at) =>
    at < 36 ? (honest[at] as Buffer) : at === 36 && says ? restart : entryBytes(clinic, BigInt(at), 'newer'),
  )
  return verifyLedger({
    source: sourceOf({
      clinic,
      entries: foundIn(rows),
      tiles: tilesOf(rows),
      published: [checkpointOf(clinic, rows, BigInt(count), key, 2)],
      keys,
    }),
    anchors: {
      checkpoints: given.map((size) => keptCheckpoint(checkpointOf(clinic, honest, BigInt(size), key), `kept ${size}`)),
      receipts: [],
      keys,
    },
  })
}

const words = `The log ${originOf(clinic)} was given up at revision 36 (restored_backup): at least 7 signed entries were lost, by the ledger’s own record.`
const lostRange = [{ kind: 'ledger_rolled_back', clinic, revision: 36n, lastRevision: 42n, detail: words }]

for (const count of [38, 43, 46]) {
  t.test(`a checkpoint of the log that was given up names what was lost, with ${count} entries there now`, async (t) => {
    const report = await check(count, [43])
    t.strictSame(report.faults, lostRange)
    const codes = report.notExcluded.map(({ code, text }) => `${code}: ${text}`)
    t.ok(codes.some((text) => text.startsWith('not_judged: Whether entries 0 to 35 ')))
    t.notOk(codes.some((text) => text.startsWith('rewritten_after_anchor: From revision 0 on')))
    t.match(reportText(report), `  ${words}\n`)
  })
}

t.test('what else was kept of it narrows what nothing tells of, and a larger one says what smaller ones say', async (t) => {
  const report = await check(46, [27, 40, 43])
  t.strictSame(report.faults, lostRange)
  t.ok(report.notExcluded.some(({ code, text }) => code === 'not_judged' && text.startsWith('Whether entries 27 to 35 ')))
})

t.test('every check that meets the entry says so, also where nothing was given', async (t) => {
  const report = await check(46, [])
  t.equal(report.outcome, 'verified')
  t.match(reportText(report), `  ${words}\n`)
})

t.test('twin: without the entry nothing says that a log was given up', async (t) => {
  const report = await check(46, [43], false)
  t.match(report.faults, [{ kind: 'entry_changed', revision: 0n, lastRevision: 42n }])
  t.notMatch(reportText(report), 'given up')
})
