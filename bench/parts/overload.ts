/** What a service does that is asked ten times as much as it can answer, and how soon it is as quick as before afterwards. */
import { memoryOf } from '../child.ts'
import type { LedgerGrowth } from '../ledger-growth.ts'
import { createBytesClient } from '../load/bytes-client.ts'
import { checkBatchPath, checkPath, encodeBatch, encodeCheck } from '../load/chartwarden-messages.ts'
import { runJob } from '../load/client.ts'
import type { PacedGroup, PacedGroupResult, PacedJob, PacedResult } from '../load/jobs.ts'
import type { Question } from '../load/questions.ts'
import type { Overload } from '../measure/overload-results.ts'
import { percentile } from '../measure/statistics.ts'
import type { BenchService } from '../service.ts'

/** How often the quiet clinic asks. */
const probeEveryMs = 20
/** Quick answers in a row after which it has recovered. */
const quickAnswers = 10
const memoryEveryMs = 250
/** After the load, in milliseconds. */
const longestRecoveryMs = 30_000

interface Probe {
  /** By `Date.now`, as the client's process knows it too. */
  readonly at: number
  readonly tookMs: number
  readonly answered: boolean
}

/** Asks one question after the other, of a clinic that asks little. */
export const startProbing = (service: BenchService, question: Question) => {
  const client = createBytesClient({ address: service.address, token: service.token([question.clinic], ['access.check']) })
  const message = Buffer.from(encodeCheck(question))
  const probes: Probe[] = []
  let stopped = false
  const probe = async (): Promise<void> => {
    while (!stopped) {
      const [at, started] = [Date.now(), performance.now()]
      const answered = await client.call(checkPath, message).then(
        () => true,
        () => false,
      )
      probes.push({ at, tookMs: performance.now() - started, answered })
      await new Promise((resolve) => setTimeout(resolve, probeEveryMs))
    }
  }
  const running = probe()
  return {
    probes,
    /** Answers so far. */
    answers: () => new Map([[question.clinic, probes.filter(({ answered }) => answered).length]]),
    stop: async (): Promise<void> => {
      stopped = true
      await running
      client.close()
    },
  }
}

export const p99Of = (latencies: readonly number[]): number =>
  latencies.length === 0
    ? 0
    : percentile(
        latencies.toSorted((left, right) => left - right),
        0.99,
      )

/** Milliseconds from a moment to the first of the quick answers in a row; undefined while there are not so many. */
const recoveredAfter = (probes: readonly Probe[], since: number, quickMs: number): number | undefined => {
  const later = probes.filter(({ at }) => at >= since)
  for (let first = 0; first + quickAnswers <= later.length; first += 1) {
    const row = later.slice(first, first + quickAnswers)
    if (row.every(({ tookMs, answered }) => answered && tookMs <= quickMs)) return (row[0] as Probe).at - since
  }
  return undefined
}

/** Adds up counts by clinic. */
export const together = (counts: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> => {
  const sums = new Map<string, number>()
  for (const each of counts) for (const [clinic, count] of each) sums.set(clinic, (sums.get(clinic) ?? 0) + count)
  return sums
}

export const answersOf = ({ groups }: PacedResult): readonly ReadonlyMap<string, number>[] => groups.map(({ answers }) => answers)

export interface OverloadKind {
  readonly what: string
  /** Questions in a call: one of Check, more of CheckBatch. */
  readonly size: number
  /** Calls out at a time that keep the service busy. */
  readonly busyInFlight: number
  readonly connections: number
}

export interface OverloadOptions {
  readonly kind: OverloadKind
  readonly service: BenchService
  readonly growth: LedgerGrowth
  /** By clinic. */
  readonly questions: ReadonlyMap<string, readonly Question[]>
  readonly quiet: Question
  readonly quietP99Ms: number
  readonly seconds: number
  readonly say: (text: string) => void
}

/** As many streams as a connection may have by default. */
const mostOnConnection = 128
const timesCapacity = 10
const capacitySeconds = 4

export const messagesOf = (questions: ReadonlyMap<string, readonly Question[]>, size: number): PacedGroup['messages'] =>
  [...questions].flatMap(([clinic, asked]) =>
    size === 1
      ? asked.map((question) => ({ clinic, message: encodeCheck(question) }))
      : [
          {
            clinic,
            message: encodeBatch(
              clinic,
              Array.from({ length: size }, (_, index) => encodeCheck(asked[index % asked.length] as Question)),
            ),
          },
        ],
  )

/** Spread over the list, so that what is sent one behind the other is of different clinics. */
const mingled = <Item>(items: readonly Item[], stride: number): readonly Item[] =>
  Array.from({ length: stride }, (_, offset) => items.filter((_item, index) => index % stride === offset)).flat()

export const measureOverload = async (options: OverloadOptions): Promise<Overload> => {
  const { kind, service, growth, questions, quiet, quietP99Ms, seconds, say } = options
  const messages = mingled(messagesOf(questions, kind.size), kind.size === 1 ? ([...questions.values()][0]?.length ?? 1) : 1)
  const job = (perSecond: number, forSeconds: number, maxInFlight: number): PacedJob => ({
    kind: 'paced',
    address: service.address,
    token: service.token([...questions.keys()], ['access.check']),
    path: kind.size === 1 ? checkPath : checkBatchPath,
    groups: [{ name: kind.what, perSecond, messages }],
    seconds: forSeconds,
    connections: kind.connections,
    maxInFlight,
  })
  const capacity = await growth.during(
    () => runJob(job(Number.POSITIVE_INFINITY, capacitySeconds, kind.busyInFlight)),
    (result) => together(answersOf(result)),
  )
  const capacityPerSecond = (capacity.groups[0] as PacedGroupResult).accepted.calls / capacity.tookSeconds
  await growth.waitForReadModels()
  say(`${kind.what}: ${Math.round(capacityPerSecond)} a second; ${timesCapacity} times as many are sent for ${seconds} s`)

  const before = memoryOf(service.pid)?.now ?? 0
  let highest = before
  const watching = setInterval(() => {
    highest = Math.max(highest, memoryOf(service.pid)?.now ?? 0)
  }, memoryEveryMs)
  const { loaded, probing, recoveryMs } = await growth.during(
    async () => {
      const probing = startProbing(service, quiet)
      const loaded = await runJob(job(timesCapacity * capacityPerSecond, seconds, kind.connections * mostOnConnection))
      const ended = performance.now()
      let recoveryMs: number | undefined
      while (recoveryMs === undefined && performance.now() - ended < longestRecoveryMs) {
        await new Promise((resolve) => setTimeout(resolve, probeEveryMs))
        recoveryMs = recoveredAfter(probing.probes, loaded.sendingEndedAt, 2 * quietP99Ms)
      }
      await probing.stop()
      return { loaded, probing, recoveryMs: recoveryMs ?? longestRecoveryMs }
    },
    ({ loaded, probing }) => together([...answersOf(loaded), probing.answers()]),
  )
  clearInterval(watching)
  const group = loaded.groups[0] as PacedGroupResult
  const meanwhile = probing.probes.filter(({ at }) => at < loaded.sendingEndedAt)
  const answered = meanwhile.filter((probe) => probe.answered)
  await growth.waitForReadModels()
  return {
    what: kind.what,
    size: kind.size,
    capacityPerSecond,
    offeredPerSecond: group.offeredPerSecond,
    sentPerSecond: group.sentPerSecond,
    answeredPerSecond: group.accepted.calls / loaded.tookSeconds,
    accepted: group.accepted,
    refused: group.refused,
    heldBack: group.heldBack,
    otherStatuses: Object.fromEntries(group.otherStatuses),
    memoryMiB: { before, highest, after: memoryOf(service.pid)?.now ?? 0 },
    quietClinic: { asked: meanwhile.length, answered: answered.length, p99Ms: p99Of(answered.map(({ tookMs }) => tookMs)) },
    recoveryMs,
  }
}
