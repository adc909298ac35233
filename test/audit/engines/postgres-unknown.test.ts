/**
 * Appends through a relay that cuts the connection at random places of what goes by: in a login, in a request, right behind it while the
 * server works on it, in an answer. Whatever is cut, each append must be answered as it stands in the ledger, once; and the twins, which
 * believe a lost answer or send again under other ids, must be caught by the same comparison.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { createBatcher } from '../../../services/audit/batcher.ts'
import { createPostgresEngine } from '../../../services/audit/engines/postgres/engine.ts'
import type { Append, AppendOutcome, Ledger, LedgerEngine, StoredEntry } from '../../../services/audit/ledger.ts'
import { type Settlement, settleUnknown } from '../../../services/audit/settle-unknown.ts'
import { systemClock } from '../../../services/kernel/clock.ts'
import { errorCode } from '../../../services/kernel/postgres/error-code.ts'
import { type Cut, openCuttingRelay } from '../../support/cutting-relay.ts'
import { appendOf, change, decision, openClinic, plain, wholeLedger } from '../../support/ledger-entries.ts'
import { createLedgerDatabase, openEngine, openPool } from '../../support/postgres-engine.ts'

interface AppendPlan {
  readonly changes: readonly boolean[]
  /** Against the state when the round begins. */
  readonly rests: 'current' | 'any' | 'before'
}

interface Round {
  readonly appends: readonly AppendPlan[]
  readonly cuts: readonly Cut[]
  /** Another process changes the state meanwhile. */
  readonly disturbed: boolean
}

const cut: fc.Arbitrary<Cut> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('at' as const), bytes: fc.nat({ max: 6_000 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('behind' as const, 'answer' as const) }) },
)
const round: fc.Arbitrary<Round> = fc.record({
  appends: fc.array(
    fc.record({
      changes: fc.array(
        fc.nat({ max: 5 }).map((kind) => kind === 0),
        { minLength: 1, maxLength: 3 },
      ),
      rests: fc.constantFrom('current', 'current', 'current', 'any', 'before'),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  cuts: fc.array(cut, { minLength: 1, maxLength: 3 }),
  disturbed: fc.nat({ max: 2 }).map((kind) => kind === 0),
})
const rounds = fc.array(round, { minLength: 1, maxLength: 4 })

interface Answered {
  readonly append: Append
  readonly outcome: AppendOutcome | 'unavailable'
}

const unsettled = async (ledger: Ledger, append: Append): Promise<Answered['outcome']> => {
  try {
    return await ledger.append(append)
  } catch (thrown) {
    if ((thrown as { readonly reason?: string }).reason !== 'LEDGER_UNAVAILABLE') throw thrown
    return 'unavailable'
  }
}

const open = async (t: Test, between: (batcher: Ledger, engine: LedgerEngine) => Ledger) => {
  const database = await createLedgerDatabase(t)
  const other = openEngine(t, database)
  const relay = await openCuttingRelay(t, database.writerUrl)
  const writer = openPool(t, relay.url, { max: 2 })
  const engine = createPostgresEngine({ writer, feed: writer })
  t.teardown(() => engine.close())
  const ledger = between(createBatcher({ engine, clock: systemClock }), engine)

  /** The rounds on a clinic of their own: what was answered, and what the ledger holds at the end beside what others have written. */
  const play = async (plan: readonly Round[]) => {
    const clinic = await openClinic(other)
    const answered: Answered[] = []
    for (const { appends, cuts, disturbed } of plan) {
      const state = (await other.head(clinic))?.stateRevision ?? -1n
      const rests = { current: state, any: 'any', before: state - 1n } as const
      relay.plan(cuts)
      const asked = appends.map(({ changes, rests: rest }) =>
        appendOf(
          clinic,
          rests[rest],
          changes.map((changing) => (changing ? change() : decision())),
        ),
      )
      const outcomes = asked.map(async (append) => ({ append, outcome: await unsettled(ledger, append) }))
      if (disturbed) await other.appendBatch([appendOf(clinic, 'any', [change()])])
      answered.push(...(await Promise.all(outcomes)))
      relay.plan([])
    }
    return { answered, held: await wholeLedger(other, clinic) }
  }
  return { other, play, cutsMade: relay.made }
}

/** The entries of an append that stand in the ledger, told by their digests, which no twin changes. */
const standing = ({ entries }: Append, held: readonly StoredEntry[]): readonly StoredEntry[] =>
  entries.flatMap(({ requestDigest }) => held.filter((entry) => Buffer.compare(entry.requestDigest, requestDigest) === 0))

/** Throws unless the answer says what stands in the ledger. */
const compare = ({ append, outcome }: Answered, held: readonly StoredEntry[]): void => {
  const found = standing(append, held)
  if (outcome === 'unavailable') throw new assert.AssertionError({ message: 'the ledger answered, and the caller was told that it cannot' })
  if (outcome.kind !== 'stored' && outcome.kind !== 'duplicate') {
    assert.deepEqual(found, [], `${outcome.kind} was answered for what is stored`)
    return
  }
  assert.equal(found.length, append.entries.length, 'each of its entries stands there once')
  const places = outcome.kind === 'stored' ? outcome.revisions : outcome.originals.map(({ revision }) => revision)
  assert.deepEqual(
    found.map((entry) => ({ revision: entry.revision, id: entry.id, bytes: Buffer.from(entry.bytes) })),
    append.entries.map((entry, index) => ({ revision: places[index], id: entry.id, bytes: Buffer.from(entry.bytes) })),
  )
  const [first] = found as [StoredEntry]
  if (append.restsOn !== 'any') {
    const stateThen = held.findLast(({ stateChanging, revision }) => stateChanging && revision < first.revision)?.revision
    assert.equal(stateThen, append.restsOn, 'it stands on the state that it rests on')
  }
  if (outcome.kind === 'stored') {
    assert.equal(outcome.ledgerTime, first.recordedAt)
    const last = found.findLast(({ stateChanging }) => stateChanging)?.revision ?? append.restsOn
    if (last !== 'any') assert.equal(outcome.stateRevision, last)
  } else {
    assert.deepEqual(outcome.originals.map(plain), found.map(plain))
    assert.ok(
      held.some(({ stateChanging, revision }) => stateChanging && revision > first.revision),
      'the state has moved on since',
    )
  }
}

const settling = (settled: Settlement[]) => (batcher: Ledger, engine: LedgerEngine) =>
  // On a busy machine the default of five seconds may pass; nothing here depends on it.
  settleUnknown({ ledger: batcher, engine, clock: systemClock, maxMs: 60_000, onSettled: (settlement) => settled.push(settlement) })

const runs = { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 60), interruptAfterTimeLimit: 10_000, markInterruptAsFailure: false }

t.test('wherever the connection is cut, every append is answered as it stands in the ledger, once', async (t) => {
  const settled: Settlement[] = []
  const { play, cutsMade } = await open(t, settling(settled))
  const kinds = new Map<string, number>()
  const check = async (plan: readonly Round[]): Promise<void> => {
    const { answered, held } = await play(plan)
    for (const answer of answered) {
      compare(answer, held)
      const kind = answer.outcome === 'unavailable' ? answer.outcome : answer.outcome.kind
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    }
  }
  await fc.assert(fc.asyncProperty(rounds, check), runs)
  const counts = Map.groupBy(settled, (settlement) => settlement)
  t.comment(
    `${cutsMade()} cuts; answers ${JSON.stringify(Object.fromEntries(kinds))}; settled ${[...counts].map(([name, { length }]) => `${name} ${length}`)}`,
  )
  for (const settlement of ['found', 'appended'] as const) t.ok(counts.has(settlement), `${settlement} occurred`)
  t.notOk(counts.has('unknown'))
})

/** How the comparison ends that the twin must fail. */
const caught = async (t: Test, between: (batcher: Ledger, engine: LedgerEngine) => Ledger, what: string): Promise<void> => {
  const { play } = await open(t, between)
  const plan: readonly Round[] = [
    { appends: [{ changes: [false], rests: 'current' }], cuts: [{ kind: 'answer' }], disturbed: false },
    { appends: [{ changes: [true], rests: 'current' }], cuts: [{ kind: 'answer' }], disturbed: false },
  ]
  const { answered, held } = await play(plan)
  for (const answer of answered) {
    t.ok(standing(answer.append, held).length > 0, 'it is stored')
    t.throws(() => compare(answer, held), { message: what })
  }
}

t.test('sabotage: a lost answer that is believed keeps from the caller what is stored', (t) =>
  caught(t, (batcher) => batcher, 'the ledger answered, and the caller was told that it cannot'),
)

t.test('sabotage: sent again under other ids, an append stands in the ledger twice', (t) =>
  caught(
    t,
    (batcher, engine) =>
      settling([])(
        {
          ...batcher,
          append: ({ entries, ...append }) =>
            batcher.append({ ...append, restsOn: 'any', entries: entries.map((entry) => ({ ...entry, id: randomUUID() })) }),
        },
        engine,
      ),
    'each of its entries stands there once',
  ),
)

t.test('which faults prove that nothing was stored', async (t) => {
  const database = await createLedgerDatabase(t)
  const superuser = openPool(t, database.adminUrl)
  const whole = openEngine(t, database)
  const clinic = await openClinic(whole)
  const faultOf = async (engine: LedgerEngine): Promise<unknown> => {
    try {
      await engine.appendBatch([appendOf(clinic, 'any', [decision()])])
    } catch (thrown) {
      return thrown
    }
    throw new Error('it was appended')
  }
  const through = (url: string, more: { readonly answerTimeoutMs?: number } = {}): LedgerEngine =>
    openEngine(t, { ...database, writerUrl: url }, more)

  const nowhere = new URL(database.writerUrl)
  nowhere.port = '1'
  const unreachable = through(nowhere.href)
  t.equal(unreachable.storedNothing?.(await faultOf(unreachable)), true, 'a server that cannot be reached was sent nothing')

  const unknownDatabase = new URL(database.writerUrl)
  unknownDatabase.pathname = '/no_such_database'
  const refused = through(unknownDatabase.href)
  t.equal(refused.storedNothing?.(await faultOf(refused)), true, 'a login refused: nothing was sent')

  const relay = await openCuttingRelay(t, database.writerUrl)
  const cutOff = through(relay.url)
  await cutOff.appendBatch([appendOf(clinic, 'any', [decision()])])
  relay.plan([{ kind: 'behind' }])
  t.equal(cutOff.storedNothing?.(await faultOf(cutOff)), false, 'a connection that died')

  const locker = await superuser.connect()
  await locker.query('begin')
  await locker.query('select from chartwarden_ledger.log_head for update')
  const hasty = through(database.writerUrl, { answerTimeoutMs: 200 })
  t.equal(hasty.storedNothing?.(await faultOf(hasty)), false, 'an answer that did not come in time')
  const cancelled = faultOf(whole)
  const cancel = `select pg_cancel_backend(pid) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  let over = false
  void cancelled.finally(() => {
    over = true
  })
  while (!over) await superuser.query(cancel)
  t.equal(errorCode(((await cancelled) as Error).cause), '57014')
  t.equal(whole.storedNothing?.(await cancelled), false, 'a statement cancelled: the answer may be of one that had just been stored')
  await locker.query('rollback')
  locker.release()

  await superuser.query('revoke execute on function chartwarden_ledger.append from chartwarden_writer')
  t.equal(whole.storedNothing?.(await faultOf(whole)), true, 'the server refused the statement')
})
