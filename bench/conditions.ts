/**
 * Evaluations of conditions in a second of one processor, compiled once: as the decider does it (facts of a request in, an answer out), and the library that
 * does the evaluating by itself. Beside them another library, if it is installed:
 *
 *   npm install --prefix bench && node bench/conditions.ts
 *
 * The libraries by themselves get variables that are ready made, and evaluate without the fences around conditions.
 */
import { createRequire } from 'node:module'
import { Environment } from '@marcbachmann/cel-js'
import type { ConditionFacts } from '../services/access/policy/condition.ts'
import { compileCondition } from '../services/access/policy/conditions/compile.ts'
import { machine } from './machine.ts'

const conditions = [
  'resource.has_patient && !resource.own_record',
  "resource.properties.status == 'open'",
  'resource.properties.level >= 3',
  "resource.properties.status in ['open', 'held'] && subject.properties.level >= 2",
  "has(resource.properties.status) && resource.properties.status == 'open'",
  "context.time < timestamp('2027-01-01T00:00:00Z')",
  "context.time.getHours('Europe/Berlin') >= 8",
  "resource.properties.tags.exists(tag, tag == 'ortho')",
  'subject.properties.teams.exists(team, team in resource.properties.teams)',
]

const secondsEach = 1

const requests: readonly ConditionFacts[] = Array.from({ length: 256 }, (_, index) => ({
  subject: { type: 'staff', properties: { level: index % 5, teams: ['north', `team-${index}`] } },
  resource: {
    type: 'imaging',
    has_patient: true,
    own_record: index % 16 === 0,
    properties: {
      status: index % 2 === 0 ? 'open' : 'held',
      level: index % 7,
      tags: ['recall', 'ortho'],
      teams: ['south', `team-${index % 8}`],
      confidentiality: 'N',
      sensitivities: [],
    },
  },
  action: { name: 'read', properties: {} },
  context: {
    time: new Date(Date.UTC(2026, 10, 22, index % 24)),
    caller: 'practice-software',
    purpose: 'TREAT',
  } as unknown as ConditionFacts['context'],
}))

type Evaluate = (index: number) => unknown

/** Time of the processor in milliseconds, so that other programs on the machine count for less. */
const spent = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

const perSecond = (evaluate: Evaluate): { readonly rate: number; readonly permits: number } => {
  let permits = 0
  for (let index = 0; index < requests.length; index += 1) if (evaluate(index) === true) permits += 1
  const run = (seconds: number): number => {
    const begin = spent()
    let done = 0
    while (spent() - begin < seconds * 1_000) {
      for (let round = 0; round < 16; round += 1) for (let index = 0; index < requests.length; index += 1) evaluate(index)
      done += 16 * requests.length
    }
    return (done * 1_000) / (spent() - begin)
  }
  run(secondsEach / 4)
  return { rate: run(secondsEach), permits }
}

const ours = (source: string): Evaluate => {
  const compiled = compileCondition(source)
  if (compiled.kind === 'invalid') throw new Error(`${source}: ${compiled.message}`)
  const { condition } = compiled
  return (index) => condition.evaluate(requests[index] as ConditionFacts)
}

const library = new Environment()
for (const name of ['subject', 'resource', 'action', 'context']) library.registerVariable(name, 'map')

const bare = (source: string): Evaluate => {
  const run = library.parse(source)
  return (index) => run(requests[index] as unknown as Record<string, unknown>)
}

/** The parts of @bufbuild/cel and @bufbuild/protobuf that are used, so that types need not be installed either. */
interface Peer {
  celEnv(options: { readonly variables: Readonly<Record<string, unknown>> }): unknown
  parse(source: string): unknown
  plan(env: unknown, parsed: unknown): (bindings: Readonly<Record<string, unknown>>) => unknown
  mapType(key: unknown, value: unknown): unknown
  readonly CelScalar: { readonly STRING: unknown; readonly DYN: unknown }
}

const loadPeer = (): ((source: string) => Evaluate) | undefined => {
  const load = createRequire(import.meta.url)
  try {
    const { celEnv, parse, plan, mapType, CelScalar } = load('@bufbuild/cel') as Peer
    const { timestampFromDate } = load('@bufbuild/protobuf/wkt') as { timestampFromDate(date: Date): unknown }
    const convert = (value: unknown): unknown => {
      if (value instanceof Date) return timestampFromDate(value)
      if (Array.isArray(value)) return value.map(convert)
      if (typeof value !== 'object' || value === null) return value
      return new Map(Object.entries(value).map(([name, member]) => [name, convert(member)]))
    }
    const map = mapType(CelScalar.STRING, CelScalar.DYN)
    const env = celEnv({ variables: { subject: map, resource: map, action: map, context: map } })
    const bindings = requests.map((facts) => Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, convert(value)])))
    return (source) => {
      const run = plan(env, parse(source))
      return (index) => run(bindings[index] as Record<string, unknown>)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

const peer = loadPeer()
if (peer === undefined) console.log('@bufbuild/cel is not installed and left out; to compare: npm install --prefix bench\n')
console.log(`${machine()}; \`node bench/conditions.ts\`, ${secondsEach} s a cell.\n`)
console.log('| condition | Chartwarden | @marcbachmann/cel-js by itself | @bufbuild/cel by itself |')
console.log('| --- | --- | --- | --- |')
for (const source of conditions) {
  const results = [ours, bare, peer].map((prepare) => prepare && perSecond(prepare(source)))
  const different = results.some((result) => result !== undefined && result.permits !== results[0]?.permits)
  const cells = results.map((result) => (result === undefined ? '–' : Math.round(result.rate).toLocaleString('en-US')))
  console.log(`| \`${source}\` | ${cells.join(' | ')} |${different ? ' answers differ' : ''}`)
}

let compiled = 0
const begin = spent()
while (spent() - begin < secondsEach * 1_000) {
  for (const source of conditions) compileCondition(source)
  compiled += conditions.length
}
console.log(`\nCompiling one takes ${(((spent() - begin) * 1_000) / compiled).toFixed(0)} µs.`)
