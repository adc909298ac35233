/** `results/overload.md`: the same figures as `overload.json`, to be read. */
import { count, decimals, table } from './markdown.ts'
import { bounds, type Neighbours, type Overload, type OverloadResults } from './overload-results.ts'
import { spreadOf } from './statistics.ts'

const overloadTable = (overload: readonly Overload[]): string =>
  table(
    [
      'calls',
      'can take, a second',
      'offered, a second',
      'sent, a second',
      'answered, a second',
      'refused',
      'held back by the connections',
      'ended otherwise',
    ],
    overload.map(({ what, capacityPerSecond, offeredPerSecond, sentPerSecond, answeredPerSecond, refused, heldBack, otherStatuses }) => [
      what,
      ...[capacityPerSecond, offeredPerSecond, sentPerSecond, answeredPerSecond, refused.calls, heldBack].map(count),
      Object.entries(otherStatuses)
        .map(([status, calls]) => `${count(calls)} with status ${status}`)
        .join(', ') || '0',
    ]),
  )

interface KeptPromise {
  readonly promise: string
  /** As it is shown. */
  readonly measured: string
  readonly bound: number
  readonly kept: boolean
}

/** What was promised, and whether it was kept. */
export const promisesOf = ({ overload, neighbours }: Pick<OverloadResults, 'overload' | 'neighbours'>): readonly KeptPromise[] => {
  const promise = (text: string, value: number, bound: number, measured: string): KeptPromise => ({
    promise: text,
    measured,
    bound,
    kept: value <= bound,
  })
  return [
    ...overload.flatMap(({ what, refused, accepted, recoveryMs, memoryMiB }) => [
      promise(
        `${what}: median time to a refusal, ms`,
        refused.p50Ms,
        bounds.refusedP50Ms,
        refused.calls === 0 ? 'none was refused: held back' : decimals(refused.p50Ms),
      ),
      promise(`${what}: p99 of what is answered, ms`, accepted.p99Ms, bounds.acceptedP99Ms, decimals(accepted.p99Ms)),
      promise(`${what}: answers as quick as before after, ms`, recoveryMs, bounds.recoveryMs, count(recoveryMs)),
      promise(
        `${what}: memory of the service, MiB (before, highest, after)`,
        memoryMiB.highest,
        bounds.memoryMiB,
        [memoryMiB.before, memoryMiB.highest, memoryMiB.after].map(count).join(', '),
      ),
    ]),
    ...neighbours
      .filter(({ quota }) => quota !== 'off')
      .flatMap(({ p99Ratio, greedyRefusedP50Ms }) => [
        promise(
          'a clinic at ten times its share, beyond its quota: median time to a refusal, ms',
          greedyRefusedP50Ms,
          bounds.refusedP50Ms,
          decimals(greedyRefusedP50Ms),
        ),
        promise(
          'neighbours of a clinic at ten times its share: p99 ÷ their quiet p99',
          p99Ratio,
          bounds.neighboursRatio,
          decimals(p99Ratio),
        ),
      ]),
  ]
}

const boundsTable = (results: OverloadResults): string =>
  table(
    ['promise', 'measured', 'bound', 'kept'],
    promisesOf(results).map(({ promise, measured, bound, kept }) => [promise, measured, count(bound), kept ? 'yes' : '**no**']),
  )

const neighboursTable = (neighbours: readonly Neighbours[]): string => {
  const over = (answers: Neighbours['quiet'], figure: 'p50Ms' | 'p99Ms'): string =>
    decimals(spreadOf(answers.map((each) => each[figure])).median)
  return table(
    [
      '`CHARTWARDEN_CLINIC_QUOTA`',
      'quiet p50, p99 ms',
      'beside the greedy one p50, p99 ms',
      'p99 ratio',
      'neighbours refused',
      'greedy: sent, answered a second',
    ],
    neighbours.map(({ quota, quiet, beside, p99Ratio, refusedNeighbours, greedySentPerSecond, greedyAnsweredPerSecond }) => [
      quota,
      `${over(quiet, 'p50Ms')}, ${over(quiet, 'p99Ms')}`,
      `${over(beside, 'p50Ms')}, ${over(beside, 'p99Ms')}`,
      decimals(p99Ratio),
      count(refusedNeighbours),
      `${count(greedySentPerSecond)}, ${count(greedyAnsweredPerSecond)}`,
    ]),
  )
}

const quietClinics = (overload: readonly Overload[]): string =>
  overload
    .map(({ what, quietClinic: { asked, answered, p99Ms } }) => `${what}: ${count(answered)} of ${count(asked)}, p99 ${decimals(p99Ms)} ms`)
    .join('; ')

export const overloadPageOf = (results: OverloadResults): string => {
  const { command, date, commit, machine, loadBefore, secondsEach, quietP99Ms, overload, neighbours } = results
  const [first] = neighbours
  return `# Beyond capacity

\`${command}\`, ${date}, commit ${commit}. ${machine}; load of the machine over the minute before the run: ${decimals(loadBefore)}.

The service, its database and the client that loads it share these cores. ${count(secondsEach)} s of each load, after a measurement of what the service can take.
How it is done: [bench/README.md](../README.md).

${boundsTable(results)}

## Ten times what it can take

${overloadTable(overload)}

Refused is RESOURCE_EXHAUSTED. What a call's connection had no stream free for was not sent and is held back. Every permit that was answered is in the ledger,
and nothing else is.

A ninth clinic that asked one question every 20 ms meanwhile was answered: ${quietClinics(overload)}. Its quiet p99 is ${decimals(quietP99Ms)} ms.

## A clinic at ten times its share

${first === undefined ? '' : `${count(first.clinics)} clinics, each at ${count(first.sharePerSecond)} questions a second; then one of them at ten times that. Medians over the rounds.`}

${neighboursTable(neighbours)}
`
}
