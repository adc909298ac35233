/**
 * Random batches, by two services in turn and at once, against the reference model. The model is given the ledger time that the engine
 * answered, so even a `not after` that ends within the millisecond must be judged alike. Of two batches at once, one order must explain both
 * answers: of the whole batches where the engine takes them as one, else of what they bring to each clinic.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import type { Test } from 'tap'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import type { Append, EngineOutcome, LedgerEngine } from '../../services/audit/ledger.ts'
import { uuidV5 } from '../../services/kernel/ids.ts'
import { newClinic, plain, readFeed, wholeLedger } from '../support/ledger-entries.ts'
import type { EnginePair } from './ledger.ts'

const namespace = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'
const clinics = 3
const hour = 3_600_000

interface EntryPlan {
  readonly id: number
  readonly digest: number
  readonly stateChanging: boolean
}

interface AppendPlan {
  readonly clinic: number
  readonly entries: readonly EntryPlan[]
  /** Against the clinic's state when the batch is made. */
  readonly rests: 'any' | 'none' | 'current' | 'before' | 'ahead'
  /** Milliseconds from the last ledger time seen. */
  readonly notAfter: number | undefined
}

type Step =
  | { readonly kind: 'batch'; readonly writer: 0 | 1; readonly appends: readonly AppendPlan[] }
  | { readonly kind: 'at once'; readonly left: readonly AppendPlan[]; readonly right: readonly AppendPlan[] }
  | { readonly kind: 'retry'; readonly writer: 0 | 1; readonly back: number }

const entryPlan = fc.record({
  id: fc.nat({ max: 40 }),
  digest: fc.nat({ max: 7 }).map((digest) => (digest === 0 ? 1 : 0)),
  stateChanging: fc.nat({ max: 3 }).map((kind) => kind === 0),
})
const appendPlan: fc.Arbitrary<AppendPlan> = fc.record({
  clinic: fc.nat({ max: clinics - 1 }),
  entries: fc.uniqueArray(entryPlan, { minLength: 1, maxLength: 3, selector: (entry) => entry.id }),
  rests: fc.constantFrom('any', 'none', 'current', 'current', 'current', 'current', 'before', 'ahead'),
  notAfter: fc.constantFrom(undefined, undefined, undefined, -hour, hour, 0, 1, 2, 4),
})
const batch = fc.array(appendPlan, { minLength: 1, maxLength: 8 })
const writer = fc.constantFrom<0 | 1>(0, 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('batch'), writer, appends: batch }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('at once'), left: batch, right: batch }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('retry'), writer, back: fc.nat({ max: 4 }) }) },
)

interface Played {
  readonly appends: readonly Append[]
  readonly ledgerTime: number
}

interface Answered extends Played {
  readonly outcomes: readonly EngineOutcome[]
}

/** A model in which these batches were played; each at the ledger time Postgres answered. */
const modelAfter = async (history: readonly Played[]) => {
  let time = 0
  const engine = createMemoryEngine({ clock: { wall: () => time, monotonic: () => 0 } })
  const play = (played: Played) => {
    time = played.ledgerTime
    return engine.appendBatch(played.appends)
  }
  for (const played of history) await play(played)
  return { engine, play }
}

const comparable = (outcomes: readonly EngineOutcome[]) =>
  outcomes.map((outcome) => (outcome.kind === 'duplicate' ? { ...outcome, originals: outcome.originals.map(plain) } : outcome))

const ledgerTimeOf = (outcomes: readonly EngineOutcome[]): number => {
  // The first of a batch is never `again`.
  const [first] = outcomes
  if (!first || first.kind === 'again') throw new Error('no ledger time')
  return first.ledgerTime
}

const resolveRest = async (plan: AppendPlan, clinic: string, model: LedgerEngine): Promise<Append['restsOn']> => {
  const state = (await model.head(clinic))?.stateRevision ?? -1n
  const rests = { any: 'any', none: -1n, current: state, before: state - 1n < -1n ? -1n : state - 1n, ahead: state + 1n } as const
  return rests[plan.rests]
}

export interface LedgerModelOptions {
  /** What the engine takes as one: a batch, or what it brings to each clinic. */
  readonly unit: 'batch' | 'clinic'
  /** Runs unless PROPERTY_RUNS says otherwise. */
  readonly numRuns: number
}

export const ledgerModelContract = async (t: Test, { first, second }: EnginePair, { unit, numRuns }: LedgerModelOptions): Promise<void> => {
  const writers = [first, second] as const
  const kinds = new Map<string, number>()
  let orders = 0

  const run = async (steps: readonly Step[]): Promise<void> => {
    const names = Array.from({ length: clinics }, (_, index) => newClinic(`c${index}`))
    const start = await writers[0].end()
    let history: Played[] = []
    let model = await modelAfter(history)

    const build = (plans: readonly AppendPlan[]): Promise<readonly Append[]> =>
      Promise.all(
        plans.map(async (plan) => {
          const clinic = names[plan.clinic]!
          const restsOn = await resolveRest(plan, clinic, model.engine)
          const entries = plan.entries.map((entry) => ({
            id: uuidV5(namespace, String(entry.id)),
            type: `type.${entry.id % 3}.v1`,
            stateChanging: entry.stateChanging,
            requestDigest: createHash('sha256').update(`${entry.id} ${entry.digest}`).digest(),
            bytes: randomBytes(20),
          }))
          const last = history.at(-1)?.ledgerTime ?? (await writers[0].time())
          return { clinic, restsOn, entries, ...(plan.notAfter === undefined ? {} : { notAfter: last + plan.notAfter }) }
        }),
      )

    /** What was appended at once and what was answered, in parts that the engine takes as one. */
    const partsOf = (appends: readonly Append[], outcomes: readonly EngineOutcome[]): readonly Answered[] => {
      const pairs = appends.map((append, index) => ({ append, outcome: outcomes[index] as EngineOutcome }))
      const groups = unit === 'batch' ? [pairs] : [...Map.groupBy(pairs, ({ append }) => append.clinic).values()]
      return groups.map((group) => {
        const answers = group.map(({ outcome }) => outcome)
        return { appends: group.map(({ append }) => append), outcomes: answers, ledgerTime: ledgerTimeOf(answers) }
      })
    }

    const playOne = async (engine: LedgerEngine, appends: readonly Append[]): Promise<void> => {
      const outcomes = await engine.appendBatch(appends)
      for (const { kind } of outcomes) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      for (const part of partsOf(appends, outcomes)) {
        assert.deepStrictEqual(comparable(part.outcomes), comparable(await model.play(part)))
        history.push(part)
      }
    }

    const playBoth = async (left: readonly Append[], right: readonly Append[]): Promise<void> => {
      const answers = await Promise.all([first.appendBatch(left), second.appendBatch(right)])
      const parts = [left, right].flatMap((appends, index) => partsOf(appends, answers[index] ?? []))
      const together = unit === 'batch' ? [parts] : [...Map.groupBy(parts, ({ appends }) => appends[0]?.clinic).values()]
      for (const both of together) await explain(both)
    }

    const explain = async (both: readonly Answered[]): Promise<void> => {
      for (const order of [both, both.toReversed()]) {
        const candidate = await modelAfter(history)
        const explained: boolean[] = []
        for (const played of order) {
          const expected = comparable(await candidate.play(played))
          explained.push(JSON.stringify(expected, bigints) === JSON.stringify(comparable(played.outcomes), bigints))
        }
        if (explained.every(Boolean)) {
          if (order !== both) orders += 1
          history = [...history, ...order]
          model = candidate
          return
        }
      }
      throw new Error(`no order explains the answers ${JSON.stringify(both, bigints)}`)
    }

    for (const item of steps) {
      if (item.kind === 'batch') await playOne(writers[item.writer], await build(item.appends))
      else if (item.kind === 'at once') await playBoth(await build(item.left), await build(item.right))
      else {
        const earlier = history.at(-1 - item.back)
        if (earlier) await playOne(writers[item.writer], earlier.appends)
      }
    }

    const expected = await Promise.all(names.map((name) => wholeLedger(model.engine, name)))
    for (const [index, name] of names.entries()) {
      assert.deepStrictEqual((await wholeLedger(writers[0], name)).map(plain), expected[index]?.map(plain))
      assert.deepStrictEqual(await writers[1].head(name), await model.engine.head(name))
    }
    const total = expected.flat().length
    if (total > 0) {
      const { entries } = await readFeed(writers[1], start, (seen) => seen.length >= total)
      const fed = names.map((name) => entries.filter((entry) => entry.clinic === name).map(plain))
      assert.deepStrictEqual(
        fed,
        expected.map((ledger) => ledger.map(plain)),
      )
    }
  }

  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 10 }), run), {
    numRuns: Number(process.env['PROPERTY_RUNS'] ?? numRuns),
    interruptAfterTimeLimit: 60_000,
    markInterruptAsFailure: false,
  })
  t.comment(`verdicts ${JSON.stringify(Object.fromEntries(kinds))}, second first ${orders} times`)
  for (const kind of ['stored', 'duplicate', 'mismatch', 'moved', 'stale', 'again']) {
    t.ok((kinds.get(kind) ?? 0) > 0, `${kind} occurred`)
  }
}

const bigints = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value)
