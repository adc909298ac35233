/**
 * `npm run bench [-- --short] [-- --profile]`: the service under load beside its peers, in one run on one machine. Writes
 * results/latest.json and results/latest.md; README.md says what is compared.
 */
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { memoryOf, startServer } from './child.ts'
import { registerClinics } from './clinics.ts'
import { createH2load, h2loadVersion } from './load/h2load.ts'
import { clinicName, personName } from './load/questions.ts'
import { runCatchUp } from './log-catch-up.ts'
import { commit } from './machine.ts'
import { cellsOf } from './measure/cells.ts'
import { pageOf } from './measure/page.ts'
import { historyRatioOf, loadRatiosOf, sealingRatiosOf } from './measure/ratios.ts'
import type { Memory, Results } from './measure/results.ts'
import { measureDisk } from './parts/disk.ts'
import { type HistorySettings, runHistory } from './parts/history.ts'
import { type LoadSettings, runLoad } from './parts/load.ts'
import { measureLoss } from './parts/loss.ts'
import { measureSealing } from './parts/sealing.ts'
import { measureStarting } from './parts/starting.ts'
import { startCerbos } from './peers/cerbos.ts'
import { installPeers } from './peers/install.ts'
import { run as runProjections } from './projections.ts'
import { serviceDatabase, startService } from './service.ts'

interface Form {
  readonly load: LoadSettings
  readonly history: HistorySettings
  readonly starts: number
  readonly projectedEntries: number
  readonly caughtUpEntries: number
}

const load = { unaryInFlight: 32, streamInFlight: 512, batchSize: 50, batchesInFlight: 8 } as const

const forms: Readonly<Record<'short' | 'long', Form>> = {
  short: {
    load: { ...load, rounds: 3, secondsEach: 1.5, practice: { clinics: 200, people: 5, patients: 50, questions: 8_000 } },
    history: { small: 100_000, large: 1_000_000, rounds: 3, calls: 20 },
    starts: 1,
    projectedEntries: 40_000,
    caughtUpEntries: 200_000,
  },
  long: {
    load: { ...load, rounds: 5, secondsEach: 5, practice: { clinics: 200, people: 10, patients: 200, questions: 40_000 } },
    history: { small: 100_000, large: 10_000_000, rounds: 5, calls: 40 },
    starts: 3,
    projectedEntries: 200_000,
    caughtUpEntries: 1_000_000,
  },
}

/** Of the large report, with its indexes and what sorting them takes. */
const diskBytesPerRow = 1_500

/** What only the long form has is named in the short one too. */
const onlyInLongForm = 'history_10m_vs_100k'

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    rows: { type: 'string' },
    out: { type: 'string', default: path.join(import.meta.dirname, 'results') },
  },
})
const form = values.short ? 'short' : 'long'
const chosen = forms[form]
const loadSettings: LoadSettings = {
  ...chosen.load,
  ...(values.rounds === undefined ? {} : { rounds: Number(values.rounds) }),
  ...(values.seconds === undefined ? {} : { secondsEach: Number(values.seconds) }),
}
const historySettings: HistorySettings = {
  ...chosen.history,
  rounds: loadSettings.rounds,
  ...(values.rows === undefined ? {} : { large: Number(values.rows) }),
}

const begun = performance.now()
const date = new Date().toISOString()
const say = (text: string): void => {
  process.stderr.write(`${((performance.now() - begun) / 1_000).toFixed(0).padStart(5)} s  ${text}\n`)
}

const grpcJsVersion = (): string => (createRequire(import.meta.url)('@grpc/grpc-js/package.json') as { readonly version: string }).version

const once = (work: () => Promise<void>): (() => Promise<void>) => {
  let done: Promise<void> | undefined
  return () => {
    done ??= work()
    return done
  }
}

const h2loadText = await h2loadVersion()
if (h2loadText === undefined) {
  process.stderr.write(
    'h2load is missing, which makes the load: install nghttp2-client (Debian: apt-get install nghttp2-client), then run again.\n',
  )
  process.exit(1)
}
const freeBytes = ((disk) => disk.bavail * disk.bsize)(statfsSync(os.tmpdir()))
const neededBytes = historySettings.large * diskBytesPerRow
if (freeBytes < neededBytes) {
  const [free, needed] = [freeBytes, neededBytes].map((bytes) => (bytes / 2 ** 30).toFixed(0))
  process.stderr.write(`${os.tmpdir()} has ${free} GiB free and the large report needs ${needed}: set TMPDIR, or --rows to fewer.\n`)
  process.exit(1)
}
say('the peers are installed if they are missing')
const peers = await installPeers()

const scratch = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-bench-'))
const directory = (name: string): string => path.join(scratch, name)
const stack = new AsyncDisposableStack()
stack.defer(() => rmSync(scratch, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void stack.disposeAsync().finally(() => process.exit(130))
  })
}

const measureAll = async (): Promise<Results> => {
  say('rates of the read models are measured')
  const projections = await runProjections({ entries: chosen.projectedEntries })
  say('the log of a ledger that nobody sealed is made')
  const catchUp = await runCatchUp(chosen.caughtUpEntries)
  const profileDir = values.profile ? path.join(values.out, 'profile') : undefined
  mkdirSync(directory('cerbos'))
  mkdirSync(directory('h2load'))
  say('service, echo server and Cerbos start')
  const service = await startService({ stateDir: directory('service'), ...(profileDir === undefined ? {} : { profileDir }) })
  stack.defer(() => service.stop())
  const echo = await startServer([path.join(import.meta.dirname, 'echo-server.ts')])
  stack.defer(() => echo.stop())
  const cerbos = await startCerbos(directory('cerbos'))
  stack.defer(() => cerbos.stop())
  const pids = { service: service.pid, 'echo server': echo.pid, Cerbos: cerbos.pid }
  const idle = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, memoryOf(pid)]))

  const database = new pg.Pool({ connectionString: service.adminUrl(serviceDatabase) })
  const endPool = once(() => database.end())
  stack.defer(endPool)
  await database.query('create database bench_inserts')
  const { rows } = await database.query<{ server_version: string }>('show server_version')
  say(`${loadSettings.practice.clinics} clinics are registered`)
  const people = Array.from({ length: loadSettings.practice.people }, (_, index) => personName(index))
  await registerClinics(
    service,
    Array.from({ length: loadSettings.practice.clinics }, (_, index) => ({ clinic: clinicName(index), people })),
  )
  const { rounds, readModelsBehindMs } = await runLoad({
    settings: loadSettings,
    service,
    echo,
    cerbos,
    h2load: createH2load(directory('h2load')),
    database,
    ledgerUrl: service.adminUrl(serviceDatabase),
    insertsUrl: service.adminUrl('bench_inserts'),
    say,
  })
  const memoryMiB: Record<string, Memory> = {}
  for (const [name, pid] of Object.entries(pids)) {
    const [before, after] = [idle[name], memoryOf(pid)]
    if (before !== undefined && after !== undefined) memoryMiB[name] = { idle: before.now, highest: after.highest }
  }
  const disk = await measureDisk(database)
  await endPool()
  await Promise.all([echo.stop(), cerbos.stop(), service.stop()])
  if (profileDir !== undefined) say(`the profile of the service is in ${profileDir}`)
  say('decisions with sealing and without are measured')
  const sealing = sealingRatiosOf(
    await measureSealing({
      // Its ratio is near 1: more rounds than the others.
      settings: { ...loadSettings, rounds: 5 * loadSettings.rounds },
      stateDirs: { on: directory('sealing'), off: directory('not-sealing') },
      say,
    }),
  )
  say('starts are measured')
  const question = { clinic: clinicName(0), person: personName(0), patient: 'patient-0', record: 'record-0' }
  const starting = await measureStarting({ times: chosen.starts, freshDir: directory('fresh'), usedDir: directory('service'), question })
  say('service and Cerbos are killed')
  const loss = await measureLoss({ stateDir: directory('service'), question, cerbosDir: directory('cerbos-killed') })
  const history = await runHistory({
    settings: historySettings,
    stateDirs: { small: directory('history-small'), large: directory('history-large') },
    say,
  })
  const [historyName, historyRatio] = historyRatioOf(historySettings.small, historySettings.large, history.rounds)
  const ratioDetails = { ...loadRatiosOf(rounds), [historyName]: historyRatio, ...sealing }
  const [cpu] = os.cpus()
  return {
    command: ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
    date,
    commit: commit(),
    form,
    tookSeconds: (performance.now() - begun) / 1_000,
    hardware: {
      cpu: cpu?.model.trim() ?? 'unknown',
      cores: os.cpus().length,
      memoryGiB: Math.round(os.totalmem() / 2 ** 30),
      system: `${os.type()} ${os.release()}`,
    },
    versions: {
      node: process.version,
      postgres: rows[0]?.server_version ?? 'unknown',
      grpcJs: grpcJsVersion(),
      cerbos: peers['cerbos'] ?? 'unknown',
      h2load: h2loadText,
    },
    settings: loadSettings,
    ratios: {
      ...Object.fromEntries(Object.entries(ratioDetails).map(([name, { value }]) => [name, value])),
      ...(onlyInLongForm in ratioDetails ? {} : { [onlyInLongForm]: null }),
    },
    ratioDetails,
    cells: cellsOf(rounds),
    readModelsBehindMs,
    history,
    disk,
    starting,
    loss,
    memoryMiB,
    projections,
    catchUp,
    sealing_on_vs_off: sealing.sealing_on_vs_off.value,
    catch_up_entries_per_second: catchUp.entriesPerSecond,
  }
}

try {
  const results = await measureAll()
  mkdirSync(values.out, { recursive: true })
  writeFileSync(path.join(values.out, 'latest.json'), `${JSON.stringify(results, null, 2)}\n`)
  const page = pageOf(results)
  writeFileSync(path.join(values.out, 'latest.md'), page)
  process.stdout.write(page)
} finally {
  await stack.disposeAsync()
}
process.exit(0)
