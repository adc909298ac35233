/**
 * Callers that behave as good ones do: each asks a question, and asks it again, as it was, until it is answered. What a question is and whom
 * it is put to is not known here.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Answer } from './account.ts'

/** What was answered, less the times. */
export type Reply = Omit<Answer, 'sentAt' | 'answeredAt'>

export interface LoadOptions {
  /** The next question of a caller. What it returns puts it once, to whoever answers now, and throws if that fails. */
  readonly ask: (caller: number, turn: number) => () => Promise<Reply>
  /** A word for a failed call. Throws for what is no failure of a call. */
  readonly reasonOf: (thrown: unknown) => string
  /** Resolves when there is somebody to ask. */
  readonly ready: () => Promise<unknown>
  /** Callers at once. */
  readonly callers: number
  /** How long somebody whose call failed waits before asking again, in milliseconds. Default 100. */
  readonly retryMs?: number
  /** How long `finish` waits for what was asked, in milliseconds; what is not answered by then never is. Default 180,000. */
  readonly patienceMs?: number
}

export interface Load {
  /** Distinct questions so far. */
  readonly asked: number
  readonly answers: readonly Answer[]
  /** Calls that failed, by reason. */
  readonly refusals: ReadonlyMap<string, number>
  /** Calls under way now. */
  inFlight(): number
  /** How many of the callers ask. At first all. */
  limit(callers: number): void
  /** The first answer to a call that is sent from now on. Rejects when nobody is answered for two minutes. */
  nextAnswer(): Promise<Answer>
  /** Nothing new is asked; resolves when everything that was asked is answered, or nobody waits for it any more. No answer is taken after that. */
  finish(): Promise<void>
}

/** A single caller is a quiet hour. */
const quietPauseMs = 20

const longestSilenceMs = 120_000

/** The machine's wall clock in milliseconds since the epoch, with fractions, whatever is done to it meanwhile. */
export const wallClock = (): number => performance.timeOrigin + performance.now()

export const startLoad = ({ ask, reasonOf, ready, callers, retryMs = 100, patienceMs = 180_000 }: LoadOptions): Load => {
  const answers: Answer[] = []
  const refusals = new Map<string, number>()
  let waiting: { readonly since: number; readonly resolve: (answer: Answer) => void }[] = []
  let limited = callers
  let finishing = false
  let givenUp = false
  let asked = 0
  let underWay = 0

  const take = (answer: Answer): void => {
    if (givenUp) return
    answers.push(answer)
    if (waiting.length === 0) return
    const served = waiting.filter(({ since }) => answer.sentAt >= since)
    waiting = waiting.filter(({ since }) => answer.sentAt < since)
    for (const { resolve } of served) resolve(answer)
  }

  const untilAnswered = async (put: () => Promise<Reply>): Promise<void> => {
    asked += 1
    while (!givenUp) {
      await ready()
      const sentAt = wallClock()
      underWay += 1
      try {
        const reply = await put()
        return take({ ...reply, sentAt, answeredAt: wallClock() })
      } catch (thrown) {
        const reason = reasonOf(thrown)
        refusals.set(reason, (refusals.get(reason) ?? 0) + 1)
      } finally {
        underWay -= 1
      }
      await delay(retryMs)
    }
  }

  const call = async (caller: number): Promise<void> => {
    for (let turn = caller; !finishing; turn += 1) {
      if (caller < limited) await untilAnswered(ask(caller, turn))
      if (caller >= limited || limited === 1) await delay(quietPauseMs)
    }
  }
  const calling = Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)))
  calling.catch(() => {})

  return {
    get asked() {
      return asked
    },
    answers,
    refusals,
    inFlight: () => underWay,
    limit: (most) => {
      limited = most
    },
    nextAnswer: () =>
      new Promise((resolve, reject) => {
        const giveUp = setTimeout(() => reject(new Error('nobody was answered for two minutes')), longestSilenceMs)
        const answered = (answer: Answer): void => {
          clearTimeout(giveUp)
          resolve(answer)
        }
        waiting.push({ since: wallClock(), resolve: answered })
        calling.catch(reject)
      }),
    finish: async () => {
      finishing = true
      const { promise: late, resolve } = Promise.withResolvers<void>()
      const patience = setTimeout(resolve, patienceMs)
      try {
        await Promise.race([calling, late])
      } finally {
        givenUp = true
        clearTimeout(patience)
      }
    },
  }
}
