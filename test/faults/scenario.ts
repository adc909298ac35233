/** One kind of fault, done to a service under load, and what became of the answers. */
import { type Accounted, accountOf, accountProblems } from './account.ts'
import type { Load } from './load.ts'
import type { Subject } from './subject.ts'
import { wholeAgain } from './whole-again.ts'

/** One time that something was broken. */
export interface FaultMoment {
  readonly what: string
  /** Calls under way at that moment. */
  readonly inFlight: number
  /** Answers given by then. */
  readonly answered: number
  /** From when it was left alone again to the first answer to a call that was sent since. */
  readonly recoveryMs: number
}

export interface ScenarioResult {
  readonly name: string
  /** One sentence: what was done to it. */
  readonly what: string
  readonly accounted: Accounted
  readonly moments: readonly FaultMoment[]
  /** Calls that were refused or failed meanwhile, by reason. */
  readonly refusals: Readonly<Record<string, number>>
  /** What else was seen, one sentence each. */
  readonly seen: readonly string[]
  /** What was required and did not hold, one sentence each. */
  readonly problems: readonly string[]
}

export interface ScenarioOptions {
  /** An empty directory that any account can enter, removed afterwards. */
  readonly scratch: string
  /** Times that something is broken, where the fault is one that repeats. */
  readonly rounds: number
  /** How long something that is paused stays so, in milliseconds. */
  readonly pauseMs: number
  /** Numbers in [0, 1). */
  readonly random: () => number
  /** Arguments of Node, for a service that is broken in itself; by default those of `chartwarden serve`. */
  readonly program?: readonly string[]
}

export interface Scenario {
  readonly name: string
  /** Why it cannot be run here; undefined: it can. */
  unable?(): string | undefined
  run(options: ScenarioOptions): Promise<ScenarioResult>
}

interface Conclusion extends Pick<ScenarioResult, 'name' | 'what' | 'moments'> {
  readonly subject: Subject
  readonly load: Load
  readonly seen?: readonly string[]
  /** Beside what is required of every fault. */
  readonly problems?: readonly string[]
  /** As in `AccountOptions`. */
  readonly sameClock?: boolean
}

/** Waits until everybody has an answer, accounts for all of them, and has the service check itself. */
export const conclude = async (conclusion: Conclusion): Promise<ScenarioResult> => {
  const { subject, load, name, what, moments, seen = [], problems = [], sameClock = true } = conclusion
  await load.finish()
  const { logged, gaps } = await subject.ledger()
  const accounted = accountOf({ asked: load.asked, answers: load.answers, logged, gaps, sameClock })
  return {
    name,
    what,
    accounted,
    moments,
    refusals: Object.fromEntries([...load.refusals].toSorted(([left], [right]) => left.localeCompare(right))),
    seen,
    problems: [...accountProblems(accounted), ...problems, ...(await wholeAgain(subject))],
  }
}

/** Notes how much was under way, does what is to be done, and waits until somebody is answered again. */
export const during = async (load: Load, what: string, breakAndMend: () => Promise<void>): Promise<FaultMoment> => {
  const [inFlight, answered] = [load.inFlight(), load.answers.length]
  await breakAndMend()
  const leftAlone = performance.now()
  await load.nextAnswer()
  return { what, inFlight, answered, recoveryMs: performance.now() - leftAlone }
}
