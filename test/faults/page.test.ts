import t from 'tap'
import { pageOf } from './page.ts'
import type { FaultResults } from './results.ts'
import type { ScenarioResult } from './scenario.ts'

const scenario: ScenarioResult = {
  name: 'kill -9',
  what: 'It is killed.',
  accounted: { asked: 1_200, answered: 1_200, logged: 1_200, lost: 0, duplicated: 0, gaps: 0, permitsNotDurable: 0 },
  moments: [
    { what: 'service, busy', inFlight: 48, answered: 500, recoveryMs: 2_000 },
    { what: 'Postgres, quiet', inFlight: 1, answered: 600, recoveryMs: 1_000 },
    { what: 'service, busy', inFlight: 40, answered: 900, recoveryMs: 1_510 },
  ],
  refusals: { LEDGER_UNAVAILABLE: 2_000 },
  seen: ['It was started 4 times.'],
  problems: [],
}

const results: FaultResults = {
  command: 'npm run test:faults',
  commit: 'abc',
  tookSeconds: 90.4,
  machine: 'a machine',
  loadAverage: 2,
  versions: 'PostgreSQL 18.4 with fsync on',
  seed: 7,
  problems: [],
  scenarios: [scenario],
  peer: [{ ...scenario, accounted: { ...scenario.accounted, logged: 1_150, lost: 50 }, seen: [] }],
  notRun: [],
  walSyncs: [{ what: 'one at a time', answers: 400, statements: 400, syncs: 400 }],
}

t.test('a row says how often, what was in flight at each, what came of the answers and how long it took', (t) => {
  const page = pageOf(results)
  t.match(page, '| kill -9 | 3 | 40 (1–48) | 1,200 | 1,200 | 1,200 | 0 | 0 | 0 | 0 | 1.5 (1.0–2.0) |')
  t.match(page, 'Calls that failed and were made again: 2,000 LEDGER_UNAVAILABLE.')
  t.match(page, '| Postgres, quiet | 1 | 600 | 1.0 |')
  t.match(page, '| one at a time | 400 | 400 | 400 |')
  t.match(page, 'Everything that is required held')
  t.end()
})

t.test('the peer has no revisions, so that its gaps are not told', (t) => {
  t.match(pageOf(results), '| kill -9 | 3 | 40 (1–48) | 1,200 | 1,200 | 1,150 | 50 | 0 | – | 0 | 1.5 (1.0–2.0) |')
  t.end()
})

t.test('what did not hold and what was not run cannot be overlooked', (t) => {
  const problems = ['3 answers are not in the ledger as they were given']
  const page = pageOf({
    ...results,
    problems,
    scenarios: [{ ...scenario, problems }],
    peer: [],
    notRun: [{ name: 'disk full', why: 'a small file system needs Linux and root' }],
  })
  t.match(page, '**1 things that are required did not hold.**')
  t.match(page, '**Not held: 3 answers are not in the ledger as they were given.**')
  t.match(page, 'Not run here: disk full (a small file system needs Linux and root).')
  t.match(page, 'Not run.')
  t.notMatch(page, 'Everything that is required held')
  t.end()
})
