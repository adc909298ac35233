/**
 * Decisions under load, ours beside the peers', in rounds: every round measures every cell once, so that a machine that grows slower slows
 * all of them, and the order within a comparison changes from round to round.
 */
import type pg from 'pg'
import type { BenchServer } from '../child.ts'
import { askOnce } from '../clinics.ts'
import { createLedgerGrowth } from '../ledger-growth.ts'
import { checkResourcesPath, encodeCheckResources } from '../load/cerbos-messages.ts'
import { checkPath, encodeCheck } from '../load/chartwarden-messages.ts'
import { runJob } from '../load/client.ts'
import type { H2load, H2loadRun, H2loadTarget } from '../load/h2load.ts'
import type { Job, JobResult, PacedJob } from '../load/jobs.ts'
import { clinicName, drawQuestions, type Practice, personName } from '../load/questions.ts'
import type { CellName, Round } from '../measure/cells.ts'
import type { Measured } from '../measure/statistics.ts'
import type { Cerbos } from '../peers/cerbos.ts'
import type { BenchService } from '../service.ts'

export interface LoadSettings {
  readonly rounds: number
  readonly secondsEach: number
  readonly practice: Practice
  /** On each of four connections. */
  readonly unaryInFlight: number
  readonly streamInFlight: number
  readonly batchSize: number
  readonly batchesInFlight: number
}

export interface LoadOptions {
  readonly settings: LoadSettings
  readonly service: BenchService
  readonly echo: BenchServer
  readonly cerbos: Cerbos
  readonly h2load: H2load
  /** The superuser's, on the service's database. */
  readonly database: pg.Pool
  readonly ledgerUrl: string
  /** A database of the same server for the bare table. */
  readonly insertsUrl: string
  readonly say: (text: string) => void
}

export interface LoadResult {
  readonly rounds: readonly Round[]
  /** Longest time that the read models took to come up with the ledger once a cell of ours was over. */
  readonly readModelsBehindMs: number
}

const connections = 4
const warmUpMs = 700
/** Of the questions; the same in every run. */
const seed = 1

/** Which cells are compared, in the order of the first round. */
const comparisons: readonly (readonly CellName[])[] = [
  ['echo', 'cerbos', 'check'],
  ['echo_alone', 'cerbos_alone', 'insert_alone', 'check_alone'],
  ['stream', 'cerbos_single', 'inserts'],
  ['batch', 'cerbos_batch'],
]

const rotated = <Item>(items: readonly Item[], by: number): Item[] => [
  ...items.slice(by % items.length),
  ...items.slice(0, by % items.length),
]

/** The cells whose answers must be in the ledger. */
const ours: ReadonlySet<CellName> = new Set(['check', 'check_alone', 'stream', 'batch'])

export const runLoad = async (options: LoadOptions): Promise<LoadResult> => {
  const { settings, service, echo, cerbos, h2load, database, ledgerUrl, insertsUrl, say } = options
  const { practice, secondsEach } = settings
  const growth = createLedgerGrowth(database)
  const clinics = Array.from({ length: practice.clinics }, (_, index) => clinicName(index))
  const token = service.token(clinics, ['access.check'])
  const timing = { warmUpMs, measureMs: secondsEach * 1_000 }
  const fixed = { clinic: clinicName(0), person: personName(0), patient: 'patient-0', record: 'record-0' }

  const check = {
    address: service.address,
    path: checkPath,
    message: encodeCheck(fixed),
    token: service.token([fixed.clinic], ['access.check']),
  }
  const echoed = { ...check, address: echo.address, path: '/bench.Echo/Echo', answerBytes: check.message.length }
  const resources = {
    address: cerbos.address,
    path: checkResourcesPath,
    message: encodeCheckResources({ person: 'u1', records: ['p1'] }),
    answerBytes: cerbos.answerBytes,
  }

  const rates = new Map<CellName, number>()
  const h2loadCell = (name: CellName, target: H2loadTarget, run: Omit<H2loadRun, 'requests'>) => async (): Promise<JobResult> => {
    // h2load is given a number and not a time: what it sent last would be recorded but not counted when its time is over.
    const rate = rates.get(name)
    const requests = rate === undefined ? run.connections * run.inFlight * 16 : Math.max(100, Math.round(rate * secondsEach))
    const measured = await h2load.run(target, { ...run, requests })
    rates.set(name, measured.perSecond)
    return { ...measured, answers: new Map([[fixed.clinic, measured.answered]]) }
  }
  const job = (made: Exclude<Job, PacedJob>) => () => runJob(made)
  const many = { connections, inFlight: settings.unaryInFlight }
  const one = { connections: 1, inFlight: 1 }
  const questioning = { practice, seed, ...timing }
  const streamed = { ...questioning, inFlight: settings.streamInFlight }
  const batched = { ...questioning, inFlight: settings.batchesInFlight, size: settings.batchSize }
  const inserting = { kind: 'inserts', ledgerUrl, url: insertsUrl, ...timing, inFlight: 1 } as const
  const cellsToRun: Readonly<Record<CellName, () => Promise<JobResult>>> = {
    echo: h2loadCell('echo', echoed, many),
    cerbos: h2loadCell('cerbos', resources, many),
    check: h2loadCell('check', check, many),
    echo_alone: h2loadCell('echo_alone', echoed, one),
    cerbos_alone: h2loadCell('cerbos_alone', resources, one),
    check_alone: h2loadCell('check_alone', check, one),
    insert_alone: job({ ...inserting, rows: 1 }),
    stream: job({ kind: 'stream', address: service.address, token, ...streamed }),
    cerbos_single: job({ kind: 'cerbos', address: cerbos.address, size: 1, ...streamed }),
    inserts: job({ ...inserting, rows: settings.streamInFlight }),
    batch: job({ kind: 'batch', address: service.address, token, ...batched }),
    cerbos_batch: job({ kind: 'cerbos', address: cerbos.address, ...batched }),
  }

  let readModelsBehindMs = 0
  const runCell = async (name: CellName): Promise<Measured> => {
    const run = cellsToRun[name]
    if (!ours.has(name)) return run()
    const result = await growth.during(run, ({ answers }) => answers)
    // What the read models still have to take would be at the cost of the next cell.
    readModelsBehindMs = Math.max(readModelsBehindMs, await growth.waitForReadModels())
    return result
  }

  say('every patient is met once, and every h2load target warmed up')
  // As in clinics that have been open for a day: the identities of people and patients are in the ledger.
  await growth.during(
    () => askOnce(service, [fixed, ...drawQuestions(practice, seed)]),
    (answers) => answers,
  )
  await growth.waitForReadModels()
  for (const name of ['echo', 'cerbos', 'check', 'echo_alone', 'cerbos_alone', 'check_alone'] as const) {
    await runCell(name)
    await runCell(name)
  }

  const rounds: Round[] = []
  for (let index = 0; index < settings.rounds; index += 1) {
    const round: Partial<Record<CellName, Measured>> = {}
    for (const compared of comparisons) {
      for (const name of rotated(compared, index)) {
        const { perSecond, p50Ms, p99Ms } = await runCell(name)
        round[name] = { perSecond, p50Ms, p99Ms }
        say(`round ${index + 1}, ${name}: ${Math.round(perSecond)} a second, p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`)
      }
    }
    rounds.push(round as Round)
  }
  await cerbos.ask()
  if ((await cerbos.logged()) === 0) throw new Error('Cerbos ran without its decision log')
  if (service.faults.length > 0) throw new Error(`the service logged faults, the first of them: ${service.faults[0]}`)
  return { rounds, readModelsBehindMs }
}
