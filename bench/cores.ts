/**
 * Decisions a second by how many processes answer, and what it brings that one of them does what nobody waits for. Each form has a database of
 * its own, embedded and synced, and runs alone; the client and the database share the processors with it.
 *
 *   node bench/cores.ts [--rounds 3] [--seconds 6] [--out bench/results]
 *
 * Writes results/cores.json and results/cores.md.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { askOnce, registerClinics } from './clinics.ts'
import { checkPath, encodeCheck } from './load/chartwarden-messages.ts'
import { runJob } from './load/client.ts'
import { createH2load } from './load/h2load.ts'
import { clinicName, drawQuestions, personName } from './load/questions.ts'
import { commit, machine } from './machine.ts'
import { type Measured, type Spread, spreadOf } from './measure/statistics.ts'
import { type BenchService, type StartOptions, startService } from './service.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '6' },
    out: { type: 'string', default: path.join(import.meta.dirname, 'results') },
  },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)

const cores = os.availableParallelism()

type FormName = 'one process' | 'one worker, and one for the rest' | 'a worker for each core, and one for the rest'

const forms: Readonly<Record<FormName, Omit<StartOptions, 'stateDir'>>> = {
  'one process': {},
  'one worker, and one for the rest': { program: [path.join(import.meta.dirname, 'one-worker.ts')] },
  'a worker for each core, and one for the rest': { environment: { CHARTWARDEN_WORKERS: String(cores) } },
}

const practice = { clinics: 50, people: 5, patients: 50, questions: 2_000 }
const seed = 1
const fixed = { clinic: clinicName(0), person: personName(0), patient: 'patient-0', record: 'record-0' }
const clinics = Array.from({ length: practice.clinics }, (_, index) => clinicName(index))
const people = Array.from({ length: practice.people }, (_, index) => personName(index))

const scratch = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-cores-'))
const h2load = createH2load(scratch)

const cells = ['unary', 'alone', 'streams'] as const
type CellName = (typeof cells)[number]

/** What is loaded, by cell. */
const loads: Readonly<Record<CellName, string>> = {
  unary: 'Check of one clinic over 4 connections, 32 calls in flight on each',
  alone: 'Check, one call at a time',
  streams: `CheckStream of ${practice.clinics} clinics, ${cores} streams with a connection each, 128 questions in flight on each`,
}

const stateDirOf = (form: FormName): string => path.join(scratch, form.replaceAll(/\W+/g, '-'))

const prepared = new Set<FormName>()

const prepare = async (form: FormName, service: BenchService): Promise<void> => {
  if (prepared.has(form)) return
  prepared.add(form)
  await registerClinics(
    service,
    clinics.map((clinic) => ({ clinic, people })),
  )
  await askOnce(service, [fixed, ...drawQuestions(practice, seed)])
}

const unary = async (service: BenchService, connections: number, inFlight: number): Promise<Measured> => {
  const target = {
    address: service.address,
    path: checkPath,
    message: encodeCheck(fixed),
    token: service.token([fixed.clinic], ['access.check']),
  }
  const run = { connections, inFlight }
  const warm = await h2load.run(target, { ...run, requests: Math.max(200, connections * inFlight * 32) })
  return h2load.run(target, { ...run, requests: Math.max(100, Math.round(warm.perSecond * seconds)) })
}

const streams = async (service: BenchService): Promise<Measured> => {
  const token = service.token(clinics, ['access.check'])
  const job = {
    kind: 'stream',
    address: service.address,
    token,
    practice,
    inFlight: 128,
    warmUpMs: 1_500,
    measureMs: seconds * 1_000,
  } as const
  const measured = await Promise.all(Array.from({ length: cores }, (_, index) => runJob({ ...job, seed: seed + index })))
  return {
    perSecond: measured.reduce((sum, { perSecond }) => sum + perSecond, 0),
    p50Ms: Math.max(...measured.map(({ p50Ms }) => p50Ms)),
    p99Ms: Math.max(...measured.map(({ p99Ms }) => p99Ms)),
  }
}

type Round = Readonly<Record<CellName, Measured>>

const measure = async (form: FormName): Promise<Round> => {
  const service = await startService({ stateDir: stateDirOf(form), ...forms[form] })
  try {
    await prepare(form, service)
    const alone = await unary(service, 1, 1)
    const measured = { unary: await unary(service, 4, 32), alone, streams: await streams(service) }
    if (service.faults.length > 0) throw new Error(`the service logged faults, the first of them: ${service.faults[0]}`)
    return measured
  } finally {
    await service.stop()
  }
}

const spreads = (measured: readonly Measured[]) => ({
  perSecond: spreadOf(measured.map(({ perSecond }) => perSecond)),
  p50Ms: spreadOf(measured.map(({ p50Ms }) => p50Ms)),
  p99Ms: spreadOf(measured.map(({ p99Ms }) => p99Ms)),
})

const figure = ({ median, lowest, highest }: Spread, digits = 0): string =>
  `${median.toFixed(digits)} (${lowest.toFixed(digits)}–${highest.toFixed(digits)})`

try {
  const names = Object.keys(forms) as FormName[]
  const measured = new Map<FormName, Round[]>(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round += 1) {
    // In another order each time, so that a machine that grows slower slows all of them.
    for (const name of [...names.slice(round % names.length), ...names.slice(0, round % names.length)]) {
      const result = await measure(name)
      measured.get(name)?.push(result)
      for (const cell of cells) {
        const { perSecond, p50Ms, p99Ms } = result[cell]
        process.stderr.write(
          `round ${round + 1}, ${name}, ${cell}: ${Math.round(perSecond)}/s, ${p50Ms.toFixed(2)} ms, ${p99Ms.toFixed(2)} ms\n`,
        )
      }
    }
  }
  const results = Object.fromEntries(
    names.map((name) => [
      name,
      Object.fromEntries(cells.map((cell) => [cell, spreads((measured.get(name) ?? []).map((round) => round[cell]))])),
    ]),
  ) as Record<FormName, Record<CellName, ReturnType<typeof spreads>>>
  const about = {
    command: `node bench/cores.ts --rounds ${rounds} --seconds ${seconds}`,
    date: new Date().toISOString(),
    machine: machine(),
    commit: commit(),
  }
  mkdirSync(values.out, { recursive: true })
  writeFileSync(path.join(values.out, 'cores.json'), `${JSON.stringify({ ...about, loads, results }, undefined, 2)}\n`)
  const tables = cells.map((cell) =>
    [
      `## ${loads[cell]}`,
      '',
      '| Processes | decisions a second | p50, ms | p99, ms |',
      '| --- | --- | --- | --- |',
      ...names.map((name) => {
        const { perSecond, p50Ms, p99Ms } = results[name][cell]
        return `| ${name} | ${figure(perSecond)} | ${figure(p50Ms, 2)} | ${figure(p99Ms, 2)} |`
      }),
      '',
    ].join('\n'),
  )
  const head = `# All cores\n\n${about.machine}; ${about.commit}; \`${about.command}\`. Median of the rounds, with the lowest and the highest. The client and the embedded database, which syncs each commit, run on the same processors.\n`
  writeFileSync(path.join(values.out, 'cores.md'), [head, ...tables].join('\n'))
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
