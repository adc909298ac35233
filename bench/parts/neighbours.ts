/** What clinics at their share notice of one at ten times its own. */
import type { LedgerGrowth } from '../ledger-growth.ts'
import { checkPath } from '../load/chartwarden-messages.ts'
import { runJob } from '../load/client.ts'
import type { PacedGroupResult } from '../load/jobs.ts'
import type { Question } from '../load/questions.ts'
import type { Neighbours } from '../measure/overload-results.ts'
import { spreadOf } from '../measure/statistics.ts'
import type { BenchService } from '../service.ts'
import { answersOf, messagesOf, together } from './overload.ts'

export interface NeighboursOptions {
  readonly service: BenchService
  /** As the service was configured. */
  readonly quota: string
  readonly growth: LedgerGrowth
  /** By clinic; the first is the greedy one. */
  readonly questions: ReadonlyMap<string, readonly Question[]>
  readonly sharePerSecond: number
  readonly seconds: number
  readonly rounds: number
  readonly say: (text: string) => void
}

const timesItsShare = 10

export const measureNeighbours = async (options: NeighboursOptions): Promise<Neighbours> => {
  const { service, quota, growth, questions, sharePerSecond, seconds, rounds, say } = options
  const [greedy, ...others] = [...questions]
  if (greedy === undefined) throw new RangeError('there is no clinic to be greedy')
  const run = async (times: number): Promise<{ readonly greedy: PacedGroupResult; readonly others: PacedGroupResult }> => {
    const groups = [
      { name: 'greedy', perSecond: times * sharePerSecond, messages: messagesOf(new Map([greedy]), 1) },
      // One clinic after the other in turn: each question of a list, then the next of each.
      {
        name: 'neighbours',
        perSecond: others.length * sharePerSecond,
        messages: Array.from({ length: others[0]?.[1].length ?? 0 }, (_, index) =>
          others.flatMap(([clinic, asked]) => messagesOf(new Map([[clinic, [asked[index] as Question]]]), 1)),
        ).flat(),
      },
    ]
    const result = await growth.during(
      () =>
        runJob({
          kind: 'paced',
          address: service.address,
          token: service.token([...questions.keys()], ['access.check']),
          path: checkPath,
          groups,
          seconds,
          connections: 4,
          maxInFlight: 4_000,
        }),
      (paced) => together(answersOf(paced)),
    )
    await growth.waitForReadModels()
    return { greedy: result.groups[0] as PacedGroupResult, others: result.groups[1] as PacedGroupResult }
  }

  const quiet: PacedGroupResult[] = []
  const beside: PacedGroupResult[] = []
  const greedyOnes: PacedGroupResult[] = []
  for (let round = 0; round < rounds; round += 1) {
    quiet.push((await run(1)).others)
    const loud = await run(timesItsShare)
    beside.push(loud.others)
    greedyOnes.push(loud.greedy)
    const [before, after] = [quiet.at(-1), beside.at(-1)].map((group) => group?.accepted.p99Ms.toFixed(1))
    say(`quota ${quota}, round ${round + 1}: neighbours' p99 ${before} ms, beside the greedy one ${after} ms`)
  }
  const mean = (of: (group: PacedGroupResult) => number): number =>
    greedyOnes.reduce((sum, group) => sum + of(group), 0) / greedyOnes.length
  return {
    quota,
    clinics: questions.size,
    sharePerSecond,
    quiet: quiet.map(({ accepted }) => accepted),
    beside: beside.map(({ accepted }) => accepted),
    refusedNeighbours: [...quiet, ...beside].reduce((sum, { refused }) => sum + refused.calls, 0),
    greedySentPerSecond: mean(({ sentPerSecond }) => sentPerSecond),
    greedyAnsweredPerSecond: mean(({ accepted }) => accepted.calls / seconds),
    greedyRefusedP50Ms: spreadOf(greedyOnes.map(({ refused }) => refused.p50Ms)).median,
    p99Ratio: spreadOf(beside.map(({ accepted }, round) => accepted.p99Ms / (quiet[round]?.accepted.p99Ms ?? Number.NaN))).median,
  }
}
