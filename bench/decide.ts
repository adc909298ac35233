/**
 * Decisions alone, without any I/O, on one core: node bench/decide.ts [rounds]
 * Every request is another one, made beforehand with texts of its own; each round decides all of them once, and nothing keeps answers.
 */
import { loadavg } from 'node:os'
import { decide } from '../services/access/decide.ts'
import { type ClinicFold, noon } from '../test/support/clinic-fold.ts'
import { conditionalQuestions, createLargeClinic, plainQuestions, type Question, requestOf, size } from './decide-clinic.ts'
import { machine } from './machine.ts'

const rounds = Number(process.argv[2] ?? 40)
const questions = 100_000

const batch = 500

/** How many conditions all requests evaluate together; the clinic is spoilt for measuring. */
const evaluations = (clinic: ClinicFold, asked: readonly Question[]): number => {
  let count = 0
  for (const permissions of clinic.state.roles.own.values()) {
    for (const permission of permissions) {
      const { condition } = permission
      if (condition === undefined) continue
      const evaluate: typeof condition.evaluate = (facts) => {
        count += 1
        return condition.evaluate(facts)
      }
      Object.assign(permission, { condition: { ...condition, evaluate } })
    }
  }
  for (const question of asked) decide(clinic.state, requestOf(question), noon)
  return count
}

interface Measured {
  /** Decisions per second. */
  readonly best: number
  readonly median: number
}

/** Of each batch its best time and its median: what else runs on the machine interrupts some batches of every round, never all rounds of one. */
const measure = (clinic: ClinicFold, asked: readonly Question[]): Measured => {
  const ofBatch = new Map<number, number[]>()
  const requests = asked.map(requestOf)
  let permits = 0
  for (let round = 0; round < rounds; round += 1) {
    for (let first = 0; first < requests.length; first += batch) {
      const following = requests.slice(first, first + batch)
      const begin = performance.now()
      for (const request of following) if (decide(clinic.state, request, noon).decision === 'permit') permits += 1
      const spent = performance.now() - begin
      const times = ofBatch.get(first)
      if (times === undefined) ofBatch.set(first, [spent])
      else times.push(spent)
    }
  }
  if (permits === 0) throw new Error('nothing was permitted')
  const perSecond = (choose: (sorted: readonly number[]) => number) =>
    (1_000 * asked.length) / [...ofBatch.values()].reduce((sum, times) => sum + choose(times.toSorted((left, right) => left - right)), 0)
  return { best: perSecond((times) => times[0] as number), median: perSecond((times) => times[times.length >> 1] as number) }
}

const reasons = (clinic: ClinicFold, asked: readonly Question[]): string => {
  const counts = new Map<string, number>()
  for (const question of asked) {
    const { reasonCode } = decide(clinic.state, requestOf(question), noon)
    counts.set(reasonCode, (counts.get(reasonCode) ?? 0) + 1)
  }
  const percent = (count: number) => `${((100 * count) / asked.length).toFixed(0)} %`
  return [...counts]
    .sort(([, left], [, right]) => right - left)
    .map(([reason, count]) => `${reason} ${percent(count)}`)
    .join(', ')
}

const thousands = (perSecond: number): string => `${Math.round(perSecond / 1_000).toLocaleString('en')},000`

const started = performance.now()
const clinic = createLargeClinic()
console.log(machine())
console.log(
  `${size.staff} staff, ${size.roles} roles, ${size.shares.toLocaleString('en')} shares, ${size.conditions} conditions: ` +
    `${clinic.events.length.toLocaleString('en')} events folded in ${Math.round(performance.now() - started)} ms; ${rounds} rounds`,
)
console.log('| distinct requests | conditions evaluated | decisions/s, best | median | answers |')
console.log('| --- | --- | --- | --- | --- |')
for (const [name, asked] of Object.entries({
  'no condition': plainQuestions(questions),
  'a condition': conditionalQuestions(questions),
})) {
  const evaluated = evaluations(createLargeClinic(), asked)
  const { best, median } = measure(clinic, asked)
  console.log(
    `| ${asked.length.toLocaleString('en')}, ${name} | ${evaluated.toLocaleString('en')} | ${thousands(best)} | ${thousands(median)} | ${reasons(clinic, asked)} |`,
  )
}
console.log(
  `load average ${loadavg()
    .map((load) => load.toFixed(1))
    .join(', ')}`,
)
