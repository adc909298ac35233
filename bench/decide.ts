/**
 * Decisions alone, without any I/O, on one core: node bench/decide.ts [rounds]
 * Every request is another one; each round decides all of them once, and nothing keeps answers.
 */
import { loadavg } from 'node:os'
import { type AccessRequest, decide } from '../services/access/decide.ts'
import { type ClinicFold, noon } from '../test/support/clinic-fold.ts'
import { conditionalQuestions, createLargeClinic, plainQuestions, size } from './decide-clinic.ts'
import { machine } from './machine.ts'

const rounds = Number(process.argv[2] ?? 40)
const questions = 100_000

/** How many conditions all requests evaluate together; the clinic is spoilt for measuring. */
const evaluations = (clinic: ClinicFold, requests: readonly AccessRequest[]): number => {
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
  for (const request of requests) decide(clinic.state, request, noon)
  return count
}

interface Measured {
  /** Decisions per second. */
  readonly best: number
  readonly median: number
}

const measure = (clinic: ClinicFold, requests: readonly AccessRequest[]): Measured => {
  const seconds: number[] = []
  let permits = 0
  for (let round = 0; round < rounds; round += 1) {
    const begin = performance.now()
    for (const request of requests) if (decide(clinic.state, request, noon).decision === 'permit') permits += 1
    seconds.push((performance.now() - begin) / 1_000)
  }
  if (permits === 0) throw new Error('nothing was permitted')
  const sorted = seconds.toSorted((left, right) => left - right)
  return { best: requests.length / (sorted[0] as number), median: requests.length / (sorted[sorted.length >> 1] as number) }
}

const reasons = (clinic: ClinicFold, requests: readonly AccessRequest[]): string => {
  const counts = new Map<string, number>()
  for (const request of requests) {
    const { reasonCode } = decide(clinic.state, request, noon)
    counts.set(reasonCode, (counts.get(reasonCode) ?? 0) + 1)
  }
  const percent = (count: number) => `${((100 * count) / requests.length).toFixed(0)} %`
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
console.log('| distinct requests | conditions evaluated | decisions/s, best round | median | answers |')
console.log('| --- | --- | --- | --- | --- |')
for (const [name, requests] of Object.entries({
  'no condition': plainQuestions(questions),
  'a condition': conditionalQuestions(questions),
})) {
  const evaluated = evaluations(createLargeClinic(), requests)
  const { best, median } = measure(clinic, requests)
  console.log(
    `| ${requests.length.toLocaleString('en')}, ${name} | ${evaluated.toLocaleString('en')} | ${thousands(best)} | ${thousands(median)} | ${reasons(clinic, requests)} |`,
  )
}
console.log(
  `load average ${loadavg()
    .map((load) => load.toFixed(1))
    .join(', ')}`,
)
