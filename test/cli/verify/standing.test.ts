/** What a service says of its log beside the checkpoint that was compared. */
import t from 'tap'
import { withStanding } from '../../../cli/verify/verify-service.ts'
import type { LedgerReport } from '../../../services/audit/log/verify/report.ts'

const report: LedgerReport = {
  outcome: 'verified',
  clinic: 'north',
  entries: 36n,
  size: 36n,
  root: '',
  firstTime: undefined,
  lastTime: undefined,
  anchors: [],
  receipts: [],
  faults: [],
  moreFaults: false,
  notExcluded: [],
}
const standing = { clinic: 'north', published: 36n, sequenced: 36n, halted: '', signed: 0n }

t.test('a log that stands as it was published adds nothing', (t) => {
  t.strictSame(withStanding(report, standing), report)
  t.end()
})

t.test('entries that are not published are named, and that the log is halted', (t) => {
  const found = withStanding(report, { ...standing, sequenced: 44n, halted: 'store_behind', signed: 10n })
  t.match(found, { outcome: 'verified', halted: 'store_behind', faults: { length: 0 } })
  t.match(found.notExcluded, [{ code: 'not_published', text: /^Entries from revision 36 on \(8\) are not under a checkpoint yet/ }])
  t.end()
})

t.test('entries that were signed and are gone are damage, told once', (t) => {
  const behind = { ...standing, halted: 'ledger_behind', signed: 43n }
  const { reason, ...found } = withStanding({ ...report, outcome: 'unchecked', reason: 'No key.' }, behind)
  t.match(found, { outcome: 'damaged', faults: [{ kind: 'ledger_rolled_back', revision: 36n, lastRevision: 42n }] })
  t.equal(reason, undefined)
  t.equal(withStanding({ ...report, ...found }, behind).faults.length, 1)
  t.end()
})
