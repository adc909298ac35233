/**
 * Decisions alone, without any I/O, on one core: node bench/decide.ts [rounds]
 * Every request is another one, made beforehand with texts of its own; each round decides all of them once, and nothing keeps answers.
 */
import { loadavg } from 'node:os'
import { type AccessRequest, decide } from '../services/access/decide.ts'
import { type ClinicFold, noon } from '../test/support/clinic-fold.ts'
import { conditionalQuestions, createLargeClinic, plainQuestions, type Question, requestOf, size } from './decide-clinic.ts'
import { machine } from './machine.ts'

const rounds = Number(process.argv[2] ?? 40)
const questions = 100_000

const warmUp = 5

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

const median = (numbers: readonly number[]): number => numbers.toSorted((left, right) => left - right)[numbers.length >> 1] as number

/** Requests made at a time: few enough that they are still in the processor's cache, as one is that a service has just read. */
const batch = 100

/** Reads a request's texts, as whoever made it of a message has. */
const textsOf = ({ subject, patient, record }: AccessRequest): number =>
  subject.pseudonym.charCodeAt(0) + (patient?.charCodeAt(0) ?? 0) + (record?.charCodeAt(0) ?? 0)

/**
 * Decisions per second of the median round. Each round decides every request once, each made anew; making them is not counted, and neither
 * are the first rounds: the code is not compiled yet.
 */
const measure = (clinic: ClinicFold, asked: readonly Question[]): number => {
  const spent: number[] = []
  let [permits, touched] = [0, 0]
  for (let round = 0; round < rounds + warmUp; round += 1) {
    let ofRound = 0
    for (let first = 0; first < asked.length; first += batch) {
      const requests = asked.slice(first, first + batch).map(requestOf)
      for (const request of requests) touched += textsOf(request)
      const begin = performance.now()
      for (const request of requests) if (decide(clinic.state, request, noon).decision === 'permit') permits += 1
      ofRound += performance.now() - begin
    }
    if (round >= warmUp) spent.push(ofRound)
  }
  if (permits === 0 || touched === 0) throw new Error('nothing was permitted')
  return (1_000 * asked.length) / median(spent)
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
const [clinic, bare] = [createLargeClinic(), createLargeClinic({ bare: true })]
console.log(machine())
console.log(
  `${size.staff} staff, ${size.roles} roles, ${size.shares.toLocaleString('en')} shares, ${size.conditions} conditions: ` +
    `${clinic.events.length.toLocaleString('en')} events folded in ${Math.round(performance.now() - started)} ms; ${rounds} rounds`,
)
console.log('| distinct requests | conditions evaluated | decisions a second | answers |')
console.log('| --- | --- | --- | --- |')
const runs = [
  { name: 'no condition', of: clinic, spoilt: createLargeClinic(), asked: plainQuestions(questions) },
  {
    name: 'no condition, and nothing restricts a record',
    of: bare,
    spoilt: createLargeClinic({ bare: true }),
    asked: plainQuestions(questions),
  },
  { name: 'a condition', of: clinic, spoilt: createLargeClinic(), asked: conditionalQuestions(questions) },
]
for (const { name, of, spoilt, asked } of runs) {
  const evaluated = evaluations(spoilt, asked)
  console.log(
    `| ${asked.length.toLocaleString('en')}, ${name} | ${evaluated.toLocaleString('en')} | ${thousands(measure(of, asked))} | ${reasons(of, asked)} |`,
  )
}
console.log(
  `load average ${loadavg()
    .map((load) => load.toFixed(1))
    .join(', ')}`,
)
