import t, { type Test } from 'tap'
import { createMemorySnapshotStore } from '../services/access/snapshot/memory-snapshot-store.ts'
import { createBatcher } from '../services/audit/batcher.ts'
import { createMemoryEngine } from '../services/audit/engines/memory.ts'
import type { Ledger } from '../services/audit/ledger.ts'
import type { CheckRequest, LedgerCheck } from '../services/audit/log/ledger-check.ts'
import { emptyRoot } from '../services/audit/log/tree-hash.ts'
import type { Fault } from '../services/audit/log/verify/fault.ts'
import { createVault } from '../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../services/audit/vault/memory-key-store.ts'
import { systemClock } from '../services/kernel/clock.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { createLedgerCheck } from '../services/ledger-check.ts'
import { createSelfCheck, type SelfCheckOptions } from '../services/self-check.ts'
import { createLedgerScript } from './support/ledger-script.ts'
import { logLines } from './support/log-lines.ts'
import { createTestDatabase } from './support/postgres.ts'
import { openPool } from './support/postgres-engine.ts'
import { waitFor } from './support/wait-for.ts'

const hour = 3_600_000
const database = await createTestDatabase(t)

/** Two clinics in memory, and processes that check them; `time` is the ledger's. */
const installation = async (test: Test, faultsOf: (clinic: string) => readonly Fault[] = () => []) => {
  const pool = openPool(test, database.adminUrl, { max: 8 })
  const engine = createMemoryEngine({ clock: systemClock })
  const vault = createVault({
    masterKey: createMasterKey(systemRandomness.bytes(32), systemRandomness),
    keyStore: createMemoryKeyStore(),
    randomness: systemRandomness,
  })
  for (const clinic of ['north', 'south']) {
    const script = await createLedgerScript(engine, vault, clinic)
    await script.granted(await script.staff('ada'), 'dentist')
  }
  const ledger: Ledger = createBatcher({ engine, clock: systemClock })
  const time = { offset: 0 }
  const now = () => systemClock.wall() + time.offset
  const { check } = createLedgerCheck({
    ledger,
    compareEntries: async (clinic) => ({
      size: 1n,
      root: emptyRoot(),
      checkpoint: undefined,
      faults: faultsOf(clinic),
      moreFaults: false,
    }),
    snapshots: createMemorySnapshotStore(),
    compareReadModels: async () => ({ kind: 'building' }),
    vault,
    clock: systemClock,
    randomness: systemRandomness,
    now,
  })
  const made: string[] = []
  const noting =
    (inner: LedgerCheck['check']): LedgerCheck['check'] =>
    (request: CheckRequest) => {
      made.push(request.clinic)
      return inner(request)
    }
  const { logger, of } = logLines()
  const process = ({
    decorate = (inner) => inner,
    ...over
  }: Partial<SelfCheckOptions> & { readonly decorate?: (inner: SelfCheckOptions['ledger']) => SelfCheckOptions['ledger'] } = {}) => {
    const selfCheck = createSelfCheck({
      check: noting(over.check ?? check),
      ledger: decorate(ledger),
      pool,
      hours: 24,
      now,
      clock: systemClock,
      logger,
      tickMs: 5,
      ...Object.fromEntries(Object.entries(over).filter(([name]) => name !== 'check')),
    })
    test.teardown(() => selfCheck.stop())
    selfCheck.start()
    return selfCheck
  }
  const recorded = async (clinic: string): Promise<number> => {
    let count = 0
    for await (const { type } of ledger.read(clinic, 0n, 1_000n)) if (type === 'chartwarden.ledger.checked.v1') count += 1
    return count
  }
  return { time, process, made, recorded, of, check }
}

const everything = ['_system', 'north', 'south']

t.test('every ledger is checked, then again once it is due and no earlier', async (t) => {
  const { time, process, made, recorded } = await installation(t)
  const first = process()
  await waitFor('three checks', () => made.length === 3)
  t.same(made, everything)
  await waitFor('rounds without a check', () => (first.state().ageSeconds ?? 99) < 99)
  await first.stop()
  t.same([await recorded('north'), await recorded('south')], [1, 1])

  await t.test('a restart neither repeats a check nor forgets one', async (t) => {
    const restarted = process()
    await waitFor('the notes of the ledgers', () => restarted.state().ageSeconds !== undefined)
    t.same(made.length, 3)
    time.offset += 25 * hour
    await waitFor('the next checks', () => made.length === 6)
    await restarted.stop()
    t.same(made.slice(3), everything)
    t.same(await recorded('north'), 2)
  })

  await t.test('twin: with results that are not recorded, a restart would check again', async (t) => {
    const forgetful = await installation(t)
    // biome-ignore lint/correctness/useYield: it tells nothing on the way
    const silent: LedgerCheck['check'] = async function* () {
      return {
        size: 1n,
        root: emptyRoot(),
        checkpoint: undefined,
        faults: [],
        moreFaults: false,
        compared: { state: false, projections: false },
        entry: undefined,
      }
    }
    for (const times of [1, 2]) {
      const selfCheck = forgetful.process({ check: silent })
      await waitFor('its checks', () => forgetful.made.length === 3 * times)
      await selfCheck.stop()
    }
    t.same(forgetful.made, [...everything, ...everything])
  })
})

t.test('a year between two checks costs one short look where the last one was lately', async (t) => {
  const { process, made } = await installation(t)
  const looks: number[] = []
  const noting = (ledger: SelfCheckOptions['ledger']): SelfCheckOptions['ledger'] => ({
    clinics: (...page) => ledger.clinics(...page),
    find: (clinic, ids) => {
      if (clinic === 'north') looks.push(ids.length)
      return ledger.find(clinic, ids)
    },
  })
  const first = process({ hours: 8_760, decorate: noting })
  await waitFor('three checks', () => made.length === 3)
  await first.stop()
  t.equal(
    looks.reduce((sum, ids) => sum + ids),
    8_760,
    'all hours are looked for',
  )
  t.equal(Math.max(...looks), 100)
  looks.length = 0
  const restarted = process({ hours: 8_760, decorate: noting })
  await waitFor('the notes', () => looks.length > 0 && restarted.state().ageSeconds !== undefined)
  await restarted.stop()
  t.same([looks, made.length], [[100], 3])
})

t.test('of several processes one checks, and another takes over', async (t) => {
  const { time, process, made } = await installation(t)
  const processes = [process(), process(), process()]
  await waitFor('three checks', () => made.length === 3)
  time.offset += 24 * hour
  await waitFor('three more', () => made.length === 6)
  t.same(made, [...everything, ...everything])
  const [one] = processes
  await one?.stop()
  time.offset += 24 * hour
  await waitFor('and again', () => made.length === 9)
})

t.test('damage is said aloud, and a restarted process still knows of it', async (t) => {
  const fault: Fault = { kind: 'entry_changed', clinic: 'north', revision: 4n, lastRevision: 4n, detail: 'It is another one.' }
  const { process, of } = await installation(t, (clinic) => (clinic === 'north' ? [fault] : []))
  const first = process()
  await waitFor('the damage', () => first.state().faults.get('entry_changed') === 1)
  t.match(of('ledger.damaged'), [{ clinic: 'north', faults: [{ kind: 'entry_changed', revision: '4' }] }])
  t.same(
    of('ledger.intact').map(({ clinic }) => clinic),
    ['_system', 'south'].slice(0, of('ledger.intact').length),
  )
  await first.stop()
  const second = process()
  await waitFor('what is known of it', () => second.state().faults.get('entry_changed') === 1)
})

t.test('a check that cannot be made keeps nothing from the other ledgers, and its age goes on', async (t) => {
  const { time, process, made, recorded, of, check } = await installation(t)
  const failing: LedgerCheck['check'] = (request) => {
    if (request.clinic === 'north') throw new Error('the disk is gone')
    return check(request)
  }
  const selfCheck = process({ check: failing })
  await waitFor('all of them', () => made.length === 3)
  await waitFor('the notes', async () => (await recorded('south')) === 1)
  t.same(await recorded('north'), 0)
  t.ok(of('ledger.not_checked').every(({ clinic }) => clinic === 'north'))
  time.offset += 10 * hour
  t.ok((selfCheck.state().ageSeconds ?? 0) >= 36_000)
  t.same(made.filter((clinic) => clinic === 'north').length, 1, 'it is left alone for a while')
})

t.test('a process that stops calls off the check under way', async (t) => {
  const { process, made, recorded } = await installation(t)
  const endless: LedgerCheck['check'] = async function* ({ signal }) {
    while (!signal.aborted) {
      await new Promise((resolve) => setImmediate(resolve))
      yield { part: 'entries', done: 1n, total: 2n }
    }
    throw new Error('called off')
  }
  const selfCheck = process({ check: endless })
  await waitFor('a check', () => made.length === 1)
  await selfCheck.stop()
  t.same([made, await recorded('north')], [['_system'], 0])
  t.same((await process().state()).faults.size, 0)
  await waitFor('the checks of another process', () => made.length === 4)
})
