import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { overloadPageOf, promisesOf } from '../../bench/measure/overload-page.ts'
import { bounds, type OverloadResults } from '../../bench/measure/overload-results.ts'

const directory = path.resolve(import.meta.dirname, '../../bench/results')
const file = path.join(directory, 'overload.json')

const answers = { calls: 100, p50Ms: 10, p99Ms: 20 }

const results = (over: { readonly refusedMs?: number; readonly ratio?: number } = {}): OverloadResults => ({
  command: 'npm run bench:overload',
  date: '2026-11-22T18:00:00.000Z',
  commit: 'abc',
  machine: 'a machine',
  loadBefore: 0.1,
  secondsEach: 60,
  quietP99Ms: 5,
  overload: [
    {
      what: 'Check',
      size: 1,
      capacityPerSecond: 1_000,
      offeredPerSecond: 10_000,
      sentPerSecond: 8_000,
      answeredPerSecond: 900,
      accepted: answers,
      refused: { ...answers, p50Ms: over.refusedMs ?? 10 },
      heldBack: 7,
      otherStatuses: { 14: 3 },
      memoryMiB: { before: 100, highest: 200, after: 150 },
      quietClinic: { asked: 50, answered: 49, p99Ms: 30 },
      recoveryMs: 40,
    },
  ],
  neighbours: ['off', '60'].map((quota) => ({
    quota,
    clinics: 8,
    sharePerSecond: 50,
    quiet: [answers],
    beside: [answers],
    refusedNeighbours: 0,
    greedySentPerSecond: 500,
    greedyAnsweredPerSecond: 60,
    greedyRefusedP50Ms: 3,
    p99Ratio: over.ratio ?? 1.5,
  })),
})

t.test('the page says of each promise what was measured and whether it was kept', (t) => {
  const page = overloadPageOf(results())
  t.match(page, `| Check: median time to a refusal, ms | 10.0 | ${bounds.refusedP50Ms} | yes |`)
  t.match(page, '3 with status 14')
  t.notMatch(page, '**no**')
  t.end()
})

t.test('twin: a promise that was not kept stands there as such', (t) => {
  t.match(overloadPageOf(results({ refusedMs: bounds.refusedP50Ms + 1 })), /median time to a refusal, ms \| 51\.0 \| 50 \| \*\*no\*\* \|/)
  t.match(overloadPageOf(results({ ratio: bounds.neighboursRatio + 0.5 })), /quiet p99 \| 2\.50 \| 2 \| \*\*no\*\* \|/)
  t.end()
})

t.test('where nothing was refused, the page says so and gives no time', (t) => {
  const { overload, neighbours } = results()
  const held = overload.map((each) => ({ ...each, refused: { calls: 0, p50Ms: 0, p99Ms: 0 } }))
  t.match(promisesOf({ overload: held, neighbours })[0], { measured: 'none was refused: held back', kept: true })
  t.end()
})

t.test('the page in the repository is of the run beside it', { skip: !existsSync(file) && 'none yet' }, (t) => {
  const kept = JSON.parse(readFileSync(file, 'utf8')) as OverloadResults
  t.equal(readFileSync(path.join(directory, 'overload.md'), 'utf8'), overloadPageOf(kept))
  t.end()
})
