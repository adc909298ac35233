/** Random appends to one clinic: what is judged from an index, and stored as judged, is what the reference model answers and holds. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { type Judgement, judge } from '../../../../services/audit/engines/kurrent/judge.ts'
import type { IndexedEntry, Known } from '../../../../services/audit/engines/kurrent/ledger-index.ts'
import { createMemoryEngine } from '../../../../services/audit/engines/memory.ts'
import type { Append, EngineOutcome, StoredEntry } from '../../../../services/audit/ledger.ts'
import { uuidV5 } from '../../../../services/kernel/ids.ts'
import { wholeLedger } from '../../../support/ledger-entries.ts'

const namespace = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'
const clinic = 'northside'

interface AppendPlan {
  readonly entries: readonly { readonly id: number; readonly digest: number; readonly stateChanging: boolean }[]
  /** Against the state when the batch is made. */
  readonly rests: 'any' | number
  /** Against the time of the batch. */
  readonly notAfter: number | undefined
}

const entryPlan = fc.record({
  id: fc.nat({ max: 25 }),
  digest: fc.constantFrom(0, 0, 0, 1),
  stateChanging: fc.constantFrom(true, false, false),
})
const appendPlan: fc.Arbitrary<AppendPlan> = fc.record({
  entries: fc.uniqueArray(entryPlan, { minLength: 1, maxLength: 3, selector: ({ id }) => id }),
  rests: fc.constantFrom<'any' | number>('any', 0, 0, 0, 0, -1, 1),
  notAfter: fc.constantFrom(undefined, undefined, -1, 0, 1),
})
const batches = fc.array(fc.array(appendPlan, { minLength: 1, maxLength: 6 }), { maxLength: 8 })

type Judge = (appends: readonly Append[], known: Known, time: number) => Judgement

const outcomesOf = ({ verdicts, stateRevision }: Judgement, ledgerTime: number) =>
  verdicts.map((verdict) => {
    if (verdict.kind === 'store') return { kind: 'stored', revisions: verdict.revisions, stateRevision: verdict.stateRevision, ledgerTime }
    if (verdict.kind === 'again') return verdict
    const common = { kind: verdict.kind, ledgerTime }
    if (verdict.kind === 'duplicate') return { ...common, stateRevision, revisions: verdict.revisions }
    return verdict.kind === 'moved' ? { ...common, stateRevision } : common
  })

const comparable = (outcomes: readonly EngineOutcome[]) =>
  outcomes.map((outcome) => {
    if (outcome.kind !== 'duplicate') return outcome
    const { originals, ...rest } = outcome
    return { ...rest, revisions: originals.map(({ revision }) => revision) }
  })

/** Plays the batches on the model and on an index that is kept by what was judged; throws where they differ. Answers how often what came out. */
const play = async (judged: Judge, plans: readonly (readonly AppendPlan[])[], kinds: Map<string, number>): Promise<void> => {
  let time = 1_000
  const model = createMemoryEngine({ clock: { wall: () => time, monotonic: () => 0 } })
  const entries = new Map<string, IndexedEntry>()
  let known: Known = { exists: false, revision: -1n, stateRevision: -1n, entries }
  for (const plan of plans) {
    time += 1
    const appends = plan.map(({ entries: own, rests, notAfter }): Append => {
      const rest = rests === 'any' ? rests : known.stateRevision + BigInt(rests)
      return {
        clinic,
        restsOn: rest === 'any' || rest >= -1n ? rest : -1n,
        entries: own.map(({ id, digest, stateChanging }) => ({
          id: uuidV5(namespace, String(id)),
          type: 'chartwarden.test.v1',
          stateChanging,
          requestDigest: createHash('sha256').update(`${id} ${digest}`).digest(),
          bytes: randomBytes(9),
        })),
        ...(notAfter === undefined ? {} : { notAfter: time + notAfter }),
      }
    })
    const judgement = judged(appends, known, time)
    const answered = await model.appendBatch(appends)
    assert.deepStrictEqual(outcomesOf(judgement, time), comparable(answered))
    for (const { kind } of answered) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    for (const [at, { id, requestDigest }] of judgement.entries.entries()) {
      entries.set(id, { id, requestDigest: Buffer.from(requestDigest), revision: known.revision + BigInt(at) + 1n })
    }
    known = {
      exists: known.exists || judgement.entries.length > 0,
      revision: known.revision + BigInt(judgement.entries.length),
      stateRevision: judgement.stateRevision,
      entries,
    }
    const stored = (await wholeLedger(model, clinic)).map(({ id }: StoredEntry) => id)
    assert.deepStrictEqual([...entries.keys()], stored)
  }
}

t.test('whatever is appended is judged as the reference model does', async (t) => {
  const kinds = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(batches, (plans) => play(judge, plans, kinds)),
    { numRuns: 400 },
  )
  for (const kind of ['stored', 'duplicate', 'mismatch', 'moved', 'stale', 'again'])
    t.ok((kinds.get(kind) ?? 0) > 20, `${kind}: ${kinds.get(kind)}`)
})

t.test('twin: a judge that lets a decision stand behind a change of its batch is found out', async (t) => {
  const lenient: Judge = (appends, known, time) =>
    judge(
      appends.map((append) => ({ ...append, restsOn: known.exists ? 'any' : append.restsOn })),
      known,
      time,
    )
  await t.rejects(
    fc.assert(
      fc.asyncProperty(batches, (plans) => play(lenient, plans, new Map())),
      { numRuns: 400, endOnFailure: true },
    ),
  )
})

t.test('the moment until which all that is stored holds is the earliest of them', async (t) => {
  const known: Known = { exists: true, revision: 4n, stateRevision: 2n, entries: new Map() }
  const append = (name: string, restsOn: bigint, notAfter?: number): Append => ({
    clinic,
    restsOn,
    entries: [{ id: uuidV5(namespace, name), type: 'x', stateChanging: false, requestDigest: randomBytes(32), bytes: randomBytes(3) }],
    ...(notAfter === undefined ? {} : { notAfter }),
  })
  t.equal(judge([append('a', 2n)], known, 10).notAfter, Number.POSITIVE_INFINITY)
  t.equal(judge([append('a', 2n, 30), append('b', 2n, 20), append('c', 1n, 15), append('d', 2n, 10)], known, 10).notAfter, 20)
})
