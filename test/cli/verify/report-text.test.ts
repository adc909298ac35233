import t from 'tap'
import { reportText } from '../../../cli/verify/report-text.ts'
import type { AnchorReport } from '../../../services/audit/log/verify/report.ts'

const anchor = (size: bigint, verdict: NonNullable<AnchorReport['verdict']>, more: Partial<AnchorReport> = {}): AnchorReport => ({
  label: 'the published checkpoint',
  origin: 'log.example/v1/clinics/north/log',
  size,
  root: '',
  outside: false,
  signed: { kind: 'unchecked' },
  cosigners: [],
  quorum: false,
  verdict,
  ...more,
})

const compared = (anchors: readonly AnchorReport[]): readonly string[] =>
  reportText({
    outcome: 'damaged',
    clinic: 'north',
    entries: 300n,
    size: 300n,
    root: '',
    firstTime: undefined,
    lastTime: undefined,
    anchors,
    receipts: [],
    faults: [],
    moreFaults: false,
    notExcluded: [],
  })
    .split('\n')
    .filter((line) => line.startsWith('  - '))
    .map((line) => line.slice(4))

const row = (from: number, to: number, verdict: NonNullable<AnchorReport['verdict']>) =>
  Array.from({ length: from - to + 1 }, (_, at) => anchor(BigInt(from - at), verdict))

t.test('one damage that no checkpoint fits is told once, and how many others it concerns', (t) => {
  const unchecked = 'its signature was not checked, since no key is known'
  t.strictSame(compared([...row(300, 101, 'differs'), ...row(100, 50, 'agrees')]), [
    `the published checkpoint: 300 entries, ${unchecked}. It does NOT fit.`,
    '51 older published checkpoints: fitting too.',
    '199 older published checkpoints: NOT fitting either.',
  ])
  t.strictSame(compared([...row(302, 301, 'beyond'), ...row(300, 300, 'differs')]), [
    `the published checkpoint: 302 entries, ${unchecked}. It covers MORE than is there.`,
    `the published checkpoint: 300 entries, ${unchecked}. It does NOT fit.`,
    '1 older published checkpoint: covering MORE than is there.',
  ])
  t.end()
})

t.test('twin: what was given from outside, cosigned or differently signed is shown each', (t) => {
  const given = row(10, 8, 'differs').map((each) => ({ ...each, outside: true }))
  const cosigned = { cosigners: [{ name: 'w', time: '2026-01-01T00:00:00Z' }] }
  t.equal(
    compared([anchor(20n, 'differs'), anchor(19n, 'differs', cosigned), anchor(18n, 'differs', { signed: { kind: 'bad' } }), ...given])
      .length,
    6,
  )
  t.end()
})
