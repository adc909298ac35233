/** Rounds over real witnesses and scripted ones; the store is plain maps. */
import t, { type Test } from 'tap'
import { systemLedger } from '../../../services/audit/ledger.ts'
import type { KeptLog, LogReader, StoredCosignature } from '../../../services/audit/log/log-store.ts'
import { type PolicyWitness, parseWitnessPolicy, type WitnessPolicy } from '../../../services/audit/log/witness-policy.ts'
import { createWitnessRounds, type WitnessRounds, type WitnessRoundsOptions } from '../../../services/audit/log/witness-rounds.ts'
import { type ManualClock, manualClock } from '../../support/manual-clock.ts'
import type { NaiveTree } from '../../support/naive-tree.ts'
import { answer, scriptedWitness } from '../../support/scripted-witness.ts'
import { startTestWitness } from '../../support/test-witness.ts'
import { forkedTree, type WitnessedLog, witnessedLog } from '../../support/witnessed-log.ts'

interface Told {
  readonly level: 'info' | 'warn' | 'error'
  readonly event: string
  readonly witness?: string
  readonly why?: string
}

/** What the sealer would have published. */
const publishedLogs = (...logs: readonly (readonly [clinic: string, log: WitnessedLog])[]) => {
  const sizes = new Map<string, { readonly size: number; readonly tree: NaiveTree }>()
  const cosignatures: StoredCosignature[] = []
  const logOf = new Map(logs)
  const kept = (clinic: string, log: WitnessedLog): KeptLog => {
    const published = sizes.get(clinic)
    const size = BigInt(published?.size ?? 0)
    const head = published === undefined ? {} : { published: { size, root: published.tree.root(0n, size) } }
    return { clinic, origin: log.origin, generation: 1, size, ...head }
  }
  const checkpoint: LogReader['checkpoint'] = async (clinic) => {
    const published = sizes.get(clinic)
    if (published === undefined) return undefined
    const { size, root, note } = (logOf.get(clinic) as WitnessedLog).head(published.size, published.tree)
    return {
      checkpoint: { size, root, note, publishedAt: 0 },
      cosignatures: cosignatures.filter((line) => line.clinic === clinic && line.size === size),
    }
  }
  return {
    publish: (clinic: string, size: number, tree = logOf.get(clinic)?.tree as NaiveTree) => void sizes.set(clinic, { size, tree }),
    cosignatures,
    writer: {
      page: async (after: string, limit: number) =>
        [...logOf]
          .sort(([one], [other]) => (one < other ? -1 : 1))
          .filter(([clinic]) => clinic > after)
          .slice(0, limit)
          .map(([clinic, log]) => kept(clinic, log)),
      addCosignatures: async (lines: readonly StoredCosignature[]) => void cosignatures.push(...lines),
    },
    reader: {
      checkpoint,
      tiles: async (clinic: string, ids: Parameters<LogReader['tiles']>[1]) => {
        const { size, tree } = sizes.get(clinic) as { readonly size: number; readonly tree: NaiveTree }
        return [...(await tree.source(BigInt(size)).tiles(ids))]
      },
    } satisfies Pick<LogReader, 'checkpoint' | 'tiles'>,
  }
}

const policyOf = (threshold: number, witnesses: readonly PolicyWitness[]): WitnessPolicy => ({
  logs: [],
  witnesses,
  groups: [{ name: 'all-of-them', threshold, members: witnesses.map(({ name }) => name) }],
  quorum: 'all-of-them',
})

interface RoundsUnderTest {
  readonly rounds: WitnessRounds
  readonly clock: ManualClock
  readonly told: readonly Told[]
  readonly outcomes: readonly string[]
}

const roundsOf = (
  policy: WitnessPolicy,
  store: Pick<WitnessRoundsOptions, 'writer' | 'reader'>,
  more: Partial<WitnessRoundsOptions> = {},
): RoundsUnderTest => {
  const told: Told[] = []
  const outcomes: string[] = []
  const clock = manualClock()
  const log = (level: Told['level']) => (fields: object) => void told.push({ ...fields, level } as Told)
  const rounds = createWitnessRounds({
    policy,
    ...store,
    active: () => true,
    intervalMs: 10_000,
    clock,
    logger: { info: log('info'), warn: log('warn'), error: log('error') } as unknown as WitnessRoundsOptions['logger'],
    onOutcome: (outcome) => void outcomes.push(outcome),
    ...more,
  })
  return { rounds, clock, told, outcomes }
}

const north = witnessedLog('log.example/v1/clinics/north/log')
const south = witnessedLog('log.example/v1/clinics/south/log')
const logs = [north, south]

const named = async (test: Test, ...names: readonly string[]) => Promise.all(names.map((name) => startTestWitness(test, { logs, name })))

/** Names of those whose line is kept under that head. */
const cosigners = (lines: readonly StoredCosignature[], clinic: string, size: number): readonly string[] =>
  lines
    .filter((line) => line.clinic === clinic && line.size === BigInt(size))
    .map(({ witness }) => witness)
    .sort()

t.test('every witness cosigns the newest head of every log, and again when it has grown', async (t) => {
  const witnesses = await named(t, 'a.example', 'b.example')
  const store = publishedLogs(['north', north], ['south', south], [systemLedger, witnessedLog('log.example/v1/clinics/_system/log')])
  const { rounds, outcomes, told } = roundsOf(
    policyOf(
      2,
      witnesses.map(({ asPolicy }) => asPolicy),
    ),
    store,
  )
  await rounds.round()
  t.same(outcomes, [], 'nothing is published yet')
  // No clinic's, and nobody outside has its key: it is neither shown nor waited for.
  store.publish(systemLedger, 3)
  store.publish('north', 5)
  store.publish('south', 9)
  await rounds.round()
  store.publish('north', 12)
  await rounds.round()
  await rounds.round()
  t.same(cosigners(store.cosignatures, 'north', 5), ['a.example', 'b.example'])
  t.same(cosigners(store.cosignatures, 'north', 12), ['a.example', 'b.example'])
  t.same(cosigners(store.cosignatures, 'south', 9), ['a.example', 'b.example'])
  t.same(
    outcomes,
    Array.from({ length: 6 }, () => 'cosigned'),
    'and nobody is asked twice about the same head',
  )
  t.same(told, [])
  t.equal(rounds.standing().quorumWaitSeconds, 0)
})

t.test('two of three, one of them gone: the quorum is reached, and the one that is gone is told once', async (t) => {
  const witnesses = await named(t, 'a.example', 'b.example')
  const gone = await scriptedWitness(t, answer(200), 'gone.example')
  await gone.close()
  const store = publishedLogs(['north', north], ['south', south])
  const { rounds, told, clock } = roundsOf(policyOf(2, [...witnesses.map(({ asPolicy }) => asPolicy), gone.asPolicy]), store)
  store.publish('north', 5)
  store.publish('south', 5)
  await rounds.round()
  clock.advance(60_000)
  await rounds.round()
  t.same(cosigners(store.cosignatures, 'north', 5), ['a.example', 'b.example'])
  t.equal(rounds.standing().quorumWaitSeconds, 0)
  t.same(
    rounds.standing().witnesses.map(({ name, answering }) => [name, answering]),
    [
      ['a.example', true],
      ['b.example', true],
      ['gone.example', false],
    ],
  )
  t.same(
    told.map(({ level, event, witness, why }) => [level, event, witness, why]),
    [['warn', 'witness.unavailable', 'gone.example', 'ECONNREFUSED']],
  )
})

t.test('twin: with a threshold of three the same is no quorum, and the wait is told', async (t) => {
  const witnesses = await named(t, 'a.example', 'b.example')
  const gone = await scriptedWitness(t, answer(500), 'gone.example')
  const store = publishedLogs(['north', north])
  const { rounds, clock } = roundsOf(policyOf(3, [...witnesses.map(({ asPolicy }) => asPolicy), gone.asPolicy]), store)
  store.publish('north', 5)
  await rounds.round()
  clock.advance(61_000)
  t.equal(rounds.standing().quorumWaitSeconds, 61)
  gone.follow(gone.honest)
  await rounds.round()
  t.equal(rounds.standing().quorumWaitSeconds, 0)
})

t.test('one that does not answer is asked less and less often, and at once when it is back', async (t) => {
  const down = await scriptedWitness(t, answer(503), 'down.example')
  const store = publishedLogs(['north', north])
  const { rounds, clock, told } = roundsOf(policyOf(1, [down.asPolicy]), store)
  store.publish('north', 5)
  for (let second = 0; second < 200; second += 1) {
    await rounds.round()
    clock.advance(1_000)
  }
  // After 10, 20, 40 and 80 seconds.
  t.equal(down.asked.length, 5)
  down.follow(down.honest)
  clock.advance(300_000)
  await rounds.round()
  t.same(cosigners(store.cosignatures, 'north', 5), ['down.example'])
  t.same(
    told.map(({ event }) => event),
    ['witness.unavailable', 'witness.cosigned'],
  )
})

t.test('logs that a witness refuses are counted until it knows them', async (t) => {
  const witness = await startTestWitness(t, { logs: [north], name: 'a.example' })
  const store = publishedLogs(['north', north], ['south', south])
  const { rounds } = roundsOf(policyOf(1, [witness.asPolicy]), store)
  store.publish('north', 5)
  store.publish('south', 5)
  await rounds.round()
  t.match(rounds.standing().witnesses, [{ name: 'a.example', answering: true, refused: 1 }])
})

t.test('a slow witness keeps neither the others nor the next round from their work', async (t) => {
  const [quick] = await named(t, 'quick.example')
  const slow = await scriptedWitness(t, () => {}, 'slow.example')
  const many = Array.from({ length: 30 }, (_, index) => {
    const clinic = `clinic-${String(index).padStart(2, '0')}`
    return [clinic, witnessedLog(`log.example/v1/clinics/${clinic}/log`)] as const
  })
  const all = await startTestWitness(t, { logs: many.map(([, log]) => log), name: 'all.example' })
  const store = publishedLogs(...many)
  for (const [clinic] of many) store.publish(clinic, 7)
  const { rounds } = roundsOf(policyOf(1, [slow.asPolicy, all.asPolicy, quick!.asPolicy]), store)
  await rounds.round()
  t.ok(slow.asked.length <= 4, 'after the first that are not answered in time it is left alone')
  t.ok(many.every(([clinic]) => cosigners(store.cosignatures, clinic, 7).join() === 'all.example'))
})

t.test('a witness that answers nonsense about one log is asked about the others', async (t) => {
  const odd = await scriptedWitness(t, undefined, 'odd.example')
  odd.follow((request, response, message) =>
    request.body.checkpoint.origin === north.origin ? response.end('la la la') : odd.honest(request, response, message),
  )
  const store = publishedLogs(['north', north], ['south', south])
  const { rounds, told } = roundsOf(policyOf(1, [odd.asPolicy]), store)
  store.publish('north', 5)
  store.publish('south', 5)
  await rounds.round()
  await rounds.round()
  t.same(cosigners(store.cosignatures, 'north', 5), [])
  t.same(cosigners(store.cosignatures, 'south', 5), ['odd.example'])
  t.same(
    told.map(({ level, event }) => [level, event]),
    [['warn', 'witness.nonsense']],
  )
})

const disputes: readonly (readonly [what: string, event: string, publish: (store: ReturnType<typeof publishedLogs>) => void])[] = [
  ['a ledger that was rolled back', 'witness.ahead', (store) => store.publish('north', 7)],
  ['one that has grown again since', 'witness.disagrees', (store) => store.publish('north', 20, forkedTree(40, 3))],
  ['one whose entries were changed', 'witness.disagrees', (store) => store.publish('north', 9, forkedTree(40, 3))],
]

for (const [what, event, publish] of disputes) {
  t.test(`${what} is disputed loudly, once, and named until it is over`, async (t) => {
    const [witness] = await named(t, 'a.example')
    const store = publishedLogs(['north', north], ['south', south])
    const policy = policyOf(1, [witness!.asPolicy])
    store.publish('north', 9)
    store.publish('south', 9)
    await roundsOf(policy, store).rounds.round()
    store.cosignatures.length = 0
    publish(store)
    // Another process, which knows nothing of the head before.
    const { rounds, told, clock, outcomes } = roundsOf(policy, store)
    await rounds.round()
    clock.advance(10_000)
    await rounds.round()
    t.same(
      told.map(({ level, event: heard, ...rest }) => [level, heard, rest.witness]),
      [['error', event, 'a.example']],
    )
    t.equal(rounds.standing().witnesses[0]?.disputes, 1)
    t.ok(rounds.standing().quorumWaitSeconds >= 10)
    t.ok(outcomes.includes('cosigned'), 'the other log goes on')
    store.publish('north', 12)
    clock.advance(100_000)
    await rounds.round()
    t.equal(rounds.standing().witnesses[0]?.disputes, 0)
  })
}

t.test('twin: the same history, restored to where it was, is not disputed', async (t) => {
  const [witness] = await named(t, 'a.example')
  const store = publishedLogs(['north', north])
  const policy = policyOf(1, [witness!.asPolicy])
  store.publish('north', 9)
  await roundsOf(policy, store).rounds.round()
  store.publish('north', 9)
  const { rounds, told } = roundsOf(policy, store)
  await rounds.round()
  t.same(told, [])
})

t.test('a process that starts anew counts the cosignatures that are kept, and believes only those that verify', async (t) => {
  const [honest, other] = await named(t, 'a.example', 'b.example')
  const store = publishedLogs(['north', north])
  store.publish('north', 9)
  await roundsOf(policyOf(1, [honest!.asPolicy]), store).rounds.round()
  const [line] = store.cosignatures
  store.cosignatures.push({ ...line!, witness: 'b.example', line: line!.line.replace('a.example', 'b.example') })
  const { rounds, outcomes } = roundsOf(policyOf(2, [honest!.asPolicy, other!.asPolicy]), store)
  await rounds.round()
  t.same(outcomes, ['cosigned'], 'only the one whose line was made up is asked')
  t.equal(rounds.standing().quorumWaitSeconds, 0)
})

t.test('a process that does not sign leaves the witnesses alone', async (t) => {
  const witness = await scriptedWitness(t)
  const store = publishedLogs(['north', north])
  store.publish('north', 9)
  let active = false
  const { rounds } = roundsOf(policyOf(1, [witness.asPolicy]), store, { active: () => active, intervalMs: 1 })
  rounds.start()
  await new Promise((resolve) => setImmediate(resolve))
  await rounds.stop()
  t.same(witness.asked, [])
  t.equal(rounds.standing().active, false)
  active = true
  rounds.start()
  rounds.start()
  while (store.cosignatures.length === 0) await new Promise((resolve) => setImmediate(resolve))
  await rounds.stop()
  t.equal(witness.asked.length, 1, 'twin: the one that signs asks')
})

t.test('who stops does not wait for a witness', async (t) => {
  const stuck = await scriptedWitness(t, () => {})
  const store = publishedLogs(['north', north])
  store.publish('north', 9)
  const { rounds, told } = roundsOf(policyOf(1, [stuck.asPolicy]), store)
  rounds.start()
  while (stuck.asked.length === 0) await new Promise((resolve) => setImmediate(resolve))
  await rounds.stop()
  t.same(told, [])
})

t.test('a store that fails is told once, and the rounds go on', async (t) => {
  const witness = await scriptedWitness(t)
  const store = publishedLogs(['north', north])
  store.publish('north', 9)
  let left = 3
  const writer = {
    ...store.writer,
    page: async (after: string, limit: number) => {
      left -= 1
      if (left >= 0) throw new Error('the database is away')
      return store.writer.page(after, limit)
    },
  }
  const { rounds, told } = roundsOf(policyOf(1, [witness.asPolicy]), { ...store, writer }, { intervalMs: 1 })
  rounds.start()
  while (store.cosignatures.length === 0) await new Promise((resolve) => setImmediate(resolve))
  await rounds.stop()
  t.same(
    told.map(({ event }) => event),
    ['witness.round_failed'],
  )
})

t.test('a witness without an address is not asked', async (t) => {
  const [witness] = await named(t, 'a.example')
  const { url: _, ...unreachable } = witness!.asPolicy
  const store = publishedLogs(['north', north])
  store.publish('north', 9)
  const { rounds, outcomes } = roundsOf(policyOf(1, [unreachable]), store)
  await rounds.round()
  t.same(outcomes, [])
})

t.test('the lines that a witness prints are a policy', async (t) => {
  const [witness] = await named(t, 'a.example')
  const policy = parseWitnessPolicy(`${witness!.policyLine}\nquorum a.example\n`)
  t.notOk('problem' in policy)
})
