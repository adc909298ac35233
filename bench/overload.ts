/**
 * `npm run bench:overload [-- --short]`: the service at ten times what it can take, and clinics beside one at ten times its share. Writes
 * results/overload.json and results/overload.md; README.md says how it is done.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { askOnce, registerClinics } from './clinics.ts'
import { createLedgerGrowth } from './ledger-growth.ts'
import { clinicName, personName, type Question } from './load/questions.ts'
import { commit, machine } from './machine.ts'
import { overloadPageOf, promisesOf } from './measure/overload-page.ts'
import type { Neighbours, Overload, OverloadResults } from './measure/overload-results.ts'
import { measureNeighbours } from './parts/neighbours.ts'
import { measureOverload, p99Of, startProbing } from './parts/overload.ts'
import { type BenchService, serviceDatabase, startService } from './service.ts'

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    out: { type: 'string', default: path.join(import.meta.dirname, 'results') },
  },
})
const form = values.short ? { seconds: 10, neighbourSeconds: 4, rounds: 3 } : { seconds: 60, neighbourSeconds: 10, rounds: 5 }

const clinics = 8
const people = 5
const questionsOfClinic = 50
/** Of what the service can take, all clinics at their share together. */
const quietShare = 0.4
const quietSeconds = 5

const [loadBefore = 0] = os.loadavg()
const begun = performance.now()
const say = (text: string): void => {
  process.stderr.write(`${((performance.now() - begun) / 1_000).toFixed(0).padStart(5)} s  ${text}\n`)
}

const questionsOf = (clinic: string): readonly Question[] =>
  Array.from({ length: questionsOfClinic }, (_, index) => ({
    clinic,
    person: personName(index % people),
    patient: `patient-${index % 20}`,
    record: `record-${index}`,
  }))

const questions = new Map(Array.from({ length: clinics }, (_, index) => [clinicName(index), questionsOf(clinicName(index))]))
const quiet = questionsOf('clinic-quiet')[0] as Question

const scratch = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-overload-'))
const stateDir = path.join(scratch, 'service')

/** Works with a service over the same ledgers, configured as it is said. */
const withService = async <Result>(
  environment: Readonly<Record<string, string>>,
  work: (service: BenchService, database: pg.Pool) => Promise<Result>,
): Promise<Result> => {
  const service = await startService({ stateDir, environment })
  const database = new pg.Pool({ connectionString: service.adminUrl(serviceDatabase) })
  try {
    const result = await work(service, database)
    if (service.faults.length > 0) throw new Error(`the service logged faults, the first of them: ${service.faults[0]}`)
    return result
  } finally {
    await database.end()
    await service.stop()
  }
}

const measureQuietP99 = async (service: BenchService): Promise<number> => {
  const probing = startProbing(service, quiet)
  await new Promise((resolve) => setTimeout(resolve, quietSeconds * 1_000))
  await probing.stop()
  return p99Of(probing.probes.map(({ tookMs }) => tookMs))
}

const kinds = [
  { what: 'Check', size: 1, busyInFlight: 128, connections: 4 },
  { what: 'Check, 32 connections', size: 1, busyInFlight: 128, connections: 32 },
  { what: 'CheckBatch of 50', size: 50, busyInFlight: 8, connections: 4 },
] as const

const measureAll = async (): Promise<Pick<OverloadResults, 'quietP99Ms' | 'overload' | 'neighbours'>> => {
  const neighbours: Neighbours[] = []
  const { quietP99Ms, overload, sharePerSecond } = await withService({}, async (service, database) => {
    const growth = createLedgerGrowth(database)
    say(`${clinics + 1} clinics are registered`)
    const everybody = Array.from({ length: people }, (_, index) => personName(index))
    await registerClinics(
      service,
      [...questions.keys(), quiet.clinic].map((clinic) => ({ clinic, people: everybody })),
    )
    await askOnce(service, [...[...questions.values()].flat(), quiet])
    await growth.waitForReadModels()
    const quietP99Ms = await measureQuietP99(service)
    say(`a lone clinic's p99 is ${quietP99Ms.toFixed(1)} ms`)
    const overload: Overload[] = []
    for (const kind of kinds) {
      overload.push(await measureOverload({ kind, service, growth, questions, quiet, quietP99Ms, seconds: form.seconds, say }))
    }
    const sharePerSecond = Math.max(1, Math.round(((overload[0] as Overload).capacityPerSecond * quietShare) / clinics))
    neighbours.push(
      await measureNeighbours({
        service,
        quota: 'off',
        growth,
        questions,
        sharePerSecond,
        seconds: form.neighbourSeconds,
        rounds: form.rounds,
        say,
      }),
    )
    return { quietP99Ms, overload, sharePerSecond }
  })
  // Room for the share itself, and little more.
  const quota = `${Math.ceil(1.2 * sharePerSecond)}`
  await withService({ CHARTWARDEN_CLINIC_QUOTA: quota }, async (service, database) => {
    const growth = createLedgerGrowth(database)
    neighbours.push(
      await measureNeighbours({
        service,
        quota,
        growth,
        questions,
        sharePerSecond,
        seconds: form.neighbourSeconds,
        rounds: form.rounds,
        say,
      }),
    )
  })
  return { quietP99Ms, overload, neighbours }
}

try {
  const results: OverloadResults = {
    command: ['npm run bench:overload', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
    date: new Date().toISOString(),
    commit: commit(),
    machine: machine(),
    loadBefore,
    secondsEach: form.seconds,
    ...(await measureAll()),
  }
  mkdirSync(values.out, { recursive: true })
  writeFileSync(path.join(values.out, 'overload.json'), `${JSON.stringify(results, null, 2)}\n`)
  const page = overloadPageOf(results)
  writeFileSync(path.join(values.out, 'overload.md'), page)
  process.stdout.write(page)
  // As a script learns of it; which they are, the page says.
  if (promisesOf(results).some(({ kept }) => !kept)) process.exitCode = 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
process.exit()
