/**
 * `npm run test:faults [-- --rounds 100] [-- --seed N] [-- --only NAME] [-- --without-peer] [-- --out DIRECTORY]`: breaks the service in every
 * way there is, and Cerbos beside it, and accounts for every answer. Writes bench/results/faults.json and faults.md; ends with 1 when
 * something that is required did not hold. docs/explanation/faults.md says what is done and what is not.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { machine } from '../../bench/machine.ts'
import { seededRandom } from '../../bench/measure/pareto.ts'
import { installPeers } from '../../bench/peers/install.ts'
import { locateBinaries } from '../../services/kernel/postgres/binaries.ts'
import { startTestServer, type TestServerOptions } from '../support/postgres-server.ts'
import { allScenarios } from './all-scenarios.ts'
import { runCerbos } from './cerbos.ts'
import { pageOf } from './page.ts'
import type { FaultResults } from './results.ts'
import type { ScenarioResult } from './scenario.ts'
import { withScratch } from './scratch.ts'
import { countSyncs, type SyncCount } from './wal-syncs.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '6' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
    only: { type: 'string', multiple: true },
    'without-peer': { type: 'boolean', default: false },
    out: { type: 'string', default: path.join(import.meta.dirname, '../../bench/results') },
  },
})
const rounds = Number(values.rounds)
const seed = Number(values.seed)
if (!Number.isSafeInteger(rounds) || rounds < 1 || !Number.isSafeInteger(seed)) {
  process.stderr.write('--rounds and --seed take whole numbers\n')
  process.exit(1)
}
/** From here on it is the long form. */
const longFrom = 20
const pauseMs = rounds >= longFrom ? 30_000 : 5_000

const begun = performance.now()
const say = (text: string): void => {
  process.stderr.write(`${((performance.now() - begun) / 1_000).toFixed(0).padStart(5)} s  ${text}\n`)
}
const wanted = (name: string): boolean => values.only?.includes(name) ?? true
const common = { rounds, pauseMs }

const scenarios: ScenarioResult[] = []
const notRun: { name: string; why: string }[] = []
for (const scenario of allScenarios) {
  if (!wanted(scenario.name)) continue
  const why = scenario.unable?.()
  if (why !== undefined) {
    notRun.push({ name: scenario.name, why })
    continue
  }
  say(scenario.name)
  const result = await withScratch((scratch) => scenario.run({ ...common, random: seededRandom(seed), scratch }))
  for (const problem of result.problems) say(`  NOT HELD: ${problem}`)
  scenarios.push(result)
}

let peer: ScenarioResult[] = []
let peers: Readonly<Record<string, string>> = {}
if (!values['without-peer'] && wanted('Cerbos')) {
  say('Cerbos')
  peers = await installPeers()
  peer = await withScratch((scratch) => runCerbos(() => ({ ...common, random: seededRandom(seed), scratch })))
}

const syncsOf = async (what: string, oneAtATime: boolean, options: TestServerOptions = {}): Promise<SyncCount> => {
  const server = await startTestServer(options)
  try {
    return await countSyncs({ database: await server.createDatabase(), what, answers: 400, oneAtATime })
  } finally {
    await server.close()
  }
}
const walSyncs: SyncCount[] = []
if (values.only === undefined) {
  say('syncs of the write-ahead log')
  walSyncs.push(
    await syncsOf('one at a time', true),
    await syncsOf('400 at once', false),
    await syncsOf('one at a time, with fsync=off', true, { settings: { fsync: 'off' } }),
  )
}

const problems = scenarios.flatMap((scenario) => scenario.problems.map((problem) => `${scenario.name}: ${problem}`))
const commit = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' }).trim()
const results: FaultResults = {
  command: ['npm run test:faults', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
  commit,
  tookSeconds: (performance.now() - begun) / 1_000,
  machine: machine(),
  loadAverage: os.loadavg()[0] ?? 0,
  versions: [`PostgreSQL ${locateBinaries().version} with fsync on`, ...(peer.length === 0 ? [] : [`Cerbos ${peers['cerbos']}`])].join(
    ', ',
  ),
  seed,
  problems,
  scenarios,
  peer,
  notRun,
  walSyncs,
}
const page = pageOf(results)
if (values.only === undefined) {
  mkdirSync(values.out, { recursive: true })
  writeFileSync(path.join(values.out, 'faults.json'), `${JSON.stringify(results, null, 2)}\n`)
  writeFileSync(path.join(values.out, 'faults.md'), page)
}
process.stdout.write(page)
process.exit(problems.length === 0 ? 0 : 1)
