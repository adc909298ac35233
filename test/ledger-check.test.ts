import t from 'tap'
import { createMemorySnapshotStore } from '../services/access/snapshot/memory-snapshot-store.ts'
import { createBatcher } from '../services/audit/batcher.ts'
import { createMemoryEngine } from '../services/audit/engines/memory.ts'
import { type Ledger, systemLedger } from '../services/audit/ledger.ts'
import type { EntriesCompared } from '../services/audit/log/compare-entries.ts'
import type { CheckProgress, CheckRequest, CheckResult, LedgerCheck } from '../services/audit/log/ledger-check.ts'
import { emptyRoot } from '../services/audit/log/tree-hash.ts'
import type { Fault } from '../services/audit/log/verify/fault.ts'
import { createVault } from '../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../services/audit/vault/memory-key-store.ts'
import { systemClock } from '../services/kernel/clock.ts'
import { ChartwardenError } from '../services/kernel/errors.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { checkEntryId, createLedgerCheck, type LedgerCheckOptions, readChecked } from '../services/ledger-check.ts'
import { caught } from './support/caught.ts'
import { createLedgerScript } from './support/ledger-script.ts'

const clinic = 'north'
const never = new AbortController().signal

/** A check over a ledger in memory, whose parts answer as the test wants. */
const houseOfChecks = async (over: Partial<LedgerCheckOptions> = {}) => {
  const engine = createMemoryEngine({ clock: systemClock })
  const vault = createVault({
    masterKey: createMasterKey(systemRandomness.bytes(32), systemRandomness),
    keyStore: createMemoryKeyStore(),
    randomness: systemRandomness,
  })
  const script = await createLedgerScript(engine, vault, clinic)
  await script.granted(await script.staff('ada'), 'dentist')
  const ledger: Ledger = createBatcher({ engine, clock: systemClock })
  const told: string[] = []
  const intact: EntriesCompared = { size: 3n, root: emptyRoot(), checkpoint: { note: 'note', size: 2n }, faults: [], moreFaults: false }
  const { check } = createLedgerCheck({
    ledger,
    compareEntries: async () => intact,
    snapshots: createMemorySnapshotStore(),
    compareReadModels: async () => ({ kind: 'compared', completeTo: 0n, differences: [], more: false }),
    vault,
    clock: systemClock,
    randomness: systemRandomness,
    now: systemClock.wall,
    onChecked: (cause, result) => told.push(`${cause} ${result}`),
    ...over,
  })
  return { script, ledger, engine, vault, check, told, intact }
}

const asked = (over: Partial<CheckRequest> = {}): CheckRequest => ({
  clinic,
  wishes: { state: true, projections: true },
  cause: 'asked',
  requestId: systemRandomness.uuid(),
  provenance: { caller: 'auditor' },
  deadline: Number.POSITIVE_INFINITY,
  signal: never,
  ...over,
})

const run = async (check: LedgerCheck['check'], request = asked()): Promise<{ progress: CheckProgress[]; result: CheckResult }> => {
  const running = check(request)
  const progress: CheckProgress[] = []
  for (;;) {
    const step = await running.next()
    if (step.done === true) return { progress, result: step.value }
    progress.push(step.value)
  }
}

const damage: Fault = { kind: 'entry_changed', clinic, revision: 7n, lastRevision: 7n, detail: 'It is another one.' }

t.test('an intact ledger: the result is an entry of it before it is answered', async (t) => {
  const { ledger, check, told } = await houseOfChecks()
  const before = (await ledger.head(clinic))?.revision ?? 0n
  const request = asked()
  const { result } = await run(check, request)
  t.match(result, { size: 3n, faults: { length: 0 }, moreFaults: false, compared: { state: false, projections: true } })
  t.equal(result.entry?.revision, before + 1n)
  const stored = (await ledger.find(clinic, [checkEntryId(clinic, request.requestId)])).values().next().value
  t.equal(stored?.id, result.entry?.id)
  t.same(stored && readChecked(stored), {
    size: '3',
    root: emptyRoot().toString('base64'),
    checkpoint_size: '2',
    result: 'intact',
    faults: [],
    compared: ['projections'],
    cause: 'asked',
  })
  t.same(told, ['asked intact'])
  t.equal((await run(check, request)).result.entry?.revision, before + 1n, 'the same request is recorded once')
})

t.test('a damaged ledger: the faults are recorded, and nothing is compared with it', async (t) => {
  const compareReadModels = () => t.fail('the read models were compared') as never
  const { ledger, check, told } = await houseOfChecks({
    compareEntries: async () => ({ size: 8n, root: emptyRoot(), checkpoint: undefined, faults: Array(30).fill(damage), moreFaults: true }),
    compareReadModels,
  })
  const { result } = await run(check)
  t.match(result, { faults: { length: 30 }, moreFaults: true, compared: { state: false, projections: false } })
  const recorded = readChecked(result.entry as NonNullable<typeof result.entry>)
  t.match(recorded, { result: 'damaged', faults: { length: 20 }, compared: { length: 0 } })
  t.same(recorded.faults[0], { kind: 'entry_changed', revision: '7' })
  t.notOk('checkpoint_size' in recorded)
  t.same(told, ['asked damaged'])

  await t.test('a ledger that takes no entries any more keeps nobody from hearing of its damage', async (t) => {
    const refusing = { ...ledger, append: () => Promise.reject(new ChartwardenError('LEDGER_REGRESSED')) }
    const broken = await houseOfChecks({
      ledger: refusing,
      compareEntries: async () => ({ size: 8n, root: emptyRoot(), checkpoint: undefined, faults: [damage], moreFaults: false }),
    })
    t.match((await run(broken.check)).result, { faults: [damage], entry: undefined })
  })
})

t.test('what is not recorded is not answered', async (t) => {
  const { ledger } = await houseOfChecks()
  for (const reason of ['LEDGER_REGRESSED', 'LEDGER_UNAVAILABLE'] as const) {
    const refusing = { ...ledger, append: () => Promise.reject(new ChartwardenError(reason)) }
    const { check, told } = await houseOfChecks({ ledger: refusing })
    t.match(await caught(run(check)), { reason })
    t.same(told, ['asked failed'])
  }
})

t.test('read models: each difference is a fault that names the read model and the entry', async (t) => {
  const { check } = await houseOfChecks({
    compareReadModels: async () => ({
      kind: 'compared',
      completeTo: 0n,
      differences: [
        { readModel: 'access_history', table: 'access_history', kind: 'changed', revision: 0n },
        { readModel: 'clinics', table: 'clinics', kind: 'missing', revision: undefined },
      ],
      more: true,
    }),
  })
  const { result } = await run(check)
  t.match(result.faults, [
    { kind: 'read_model_changed', revision: 0n, lastRevision: 0n, detail: /access_history has another row/ },
    { kind: 'read_model_changed', revision: 0n, lastRevision: 0n, detail: /clinics lacks a row/ },
  ])
  t.equal(result.moreFaults, true)
})

t.test('read models that are ahead of the ledger show that entries are gone', async (t) => {
  const { ledger, check } = await houseOfChecks({
    compareReadModels: async () => ({ kind: 'compared', completeTo: 900n, differences: [], more: false }),
  })
  const head = (await ledger.head(clinic))?.revision ?? 0n
  t.match((await run(check)).result.faults, [{ kind: 'ledger_truncated', revision: head + 1n, lastRevision: 900n }])
})

t.test('read models that are being built are not said to be compared', async (t) => {
  const { check } = await houseOfChecks({ compareReadModels: async () => ({ kind: 'building' }) })
  t.match((await run(check)).result, { faults: { length: 0 }, compared: { projections: false } })
})

t.test('a kept state that was edited is a fault', async (t) => {
  const store = createMemorySnapshotStore()
  await store.write(clinic, { format: 2, stateRevision: 1n, sealed: Buffer.alloc(64) })
  const { check } = await houseOfChecks({ snapshots: store })
  t.match((await run(check)).result, { faults: [{ kind: 'snapshot_changed', revision: 1n }], compared: { state: true } })
})

t.test('how far it is is told, part by part, and the pace asked for is kept', async (t) => {
  const paused: number[] = []
  // A pause keeps no process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  const { check } = await houseOfChecks({
    compareEntries: async (_, passed) => {
      await passed(1n, 2n)
      await passed(2n, 2n)
      return { size: 2n, root: emptyRoot(), checkpoint: undefined, faults: [], moreFaults: false }
    },
    compareReadModels: async (_, passed) => {
      const begun = performance.now()
      await passed(40n, 40n)
      paused.push(performance.now() - begun)
      return { kind: 'compared', completeTo: -1n, differences: [], more: false }
    },
  })
  const { progress } = await run(check, asked({ entriesPerSecond: 1_000 }))
  t.match(progress.at(-1), { part: 'projections', done: 40n, total: 40n })
  t.ok(progress.some(({ part }) => part === 'entries'))
  t.ok((paused[0] ?? 0) >= 35, 'forty entries at a thousand a second')
})

t.test('one check of a clinic at a time; one that nobody wants any more ends and records nothing', async (t) => {
  const begun = Promise.withResolvers<void>()
  const { ledger, check, told } = await houseOfChecks({
    compareEntries: async (_, passed, { signal }) => {
      begun.resolve()
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve))
        if (signal?.aborted) throw new ChartwardenError('CALL_CANCELLED')
        await passed(1n, 2n)
      }
    },
  })
  const before = await ledger.head(clinic)
  const gone = new AbortController()
  const first = run(check, asked({ signal: gone.signal }))
  first.catch(() => {})
  await begun.promise
  t.match(await caught(run(check)), { reason: 'OVERLOADED', retryAfterSeconds: 60 })
  gone.abort()
  t.match(await caught(first), { reason: 'CALL_CANCELLED' })
  t.match(
    await caught(run(check, asked({ deadline: systemClock.monotonic() + 20 }))),
    { reason: 'DEADLINE_EXCEEDED' },
    'and the next may begin',
  )
  t.same(await ledger.head(clinic), before)
  t.same(told, ['asked failed'], 'what was called off has not failed')

  await t.test('a caller who stops listening ends it too', async (t) => {
    const running = check(asked())
    await running.next()
    await running.return(undefined as never)
    const again = check(asked())
    t.match(await again.next(), { done: false })
    await again.return(undefined as never)
  })
})

t.test('there is nothing to check of a clinic that is not here', async (t) => {
  const { check } = await houseOfChecks()
  t.match(await caught(run(check, asked({ clinic: 'elsewhere' }))), { reason: 'CLINIC_NOT_ALLOWED' })
})

t.test('the ledger of the operator is checked like any other', async (t) => {
  const { check } = await houseOfChecks({
    compareReadModels: async () => ({ kind: 'compared', completeTo: -1n, differences: [], more: false }),
  })
  const { result } = await run(check, asked({ clinic: systemLedger, wishes: { state: false, projections: true } }))
  t.match(result, { faults: { length: 0 }, entry: { clinic: systemLedger } })
})

t.test('two checks that somebody asked for are under way at once, and no more; the one by schedule beside them', async (t) => {
  const held = Promise.withResolvers<void>()
  const { intact } = await houseOfChecks()
  const { check, vault, engine } = await houseOfChecks({
    compareEntries: async () => {
      await held.promise
      return intact
    },
  })
  for (const other of ['south', 'east', 'west']) await createLedgerScript(engine, vault, other)
  const first = [clinic, 'south'].map((other) => run(check, asked({ clinic: other })))
  t.match(await caught(run(check, asked({ clinic: 'east' }))), { reason: 'OVERLOADED', retryAfterSeconds: 60 })
  const scheduled = run(check, asked({ clinic: 'west', cause: 'schedule' }))
  held.resolve()
  for (const { result } of await Promise.all([...first, scheduled])) t.same(result.faults, [])
  t.same((await run(check, asked({ clinic: 'east' }))).result.faults, [], 'and then the next')
})

t.test('a check that somebody asks for keeps a pace', async (t) => {
  const passes = async (request: CheckRequest): Promise<boolean> => {
    let beyond = false
    const { check, intact } = await houseOfChecks({
      compareEntries: async (_clinic, passed) => {
        await passed(100_000_000n, 200_000_000n)
        beyond = !left
        return intact
      },
    })
    let left = false
    const running = check(request)
    await running.next()
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    left = true
    await running.return(undefined as never)
    return beyond
  }
  t.equal(await passes(asked()), false)
  t.equal(await passes(asked({ entriesPerSecond: Number.POSITIVE_INFINITY })), true, 'twin')
})
