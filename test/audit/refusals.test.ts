import t, { type Test } from 'tap'
import { createBatcher } from '../../services/audit/batcher.ts'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import { openEnvelope } from '../../services/audit/entry.ts'
import { type Append, type Ledger, maxEntryBytes, noState, systemLedger } from '../../services/audit/ledger.ts'
import { createRefusalRecorder } from '../../services/audit/refusals.ts'
import { createVault } from '../../services/audit/vault/create-vault.ts'
import type { KeyStore } from '../../services/audit/vault/key-store.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../services/audit/vault/memory-key-store.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { ChartwardenError, type ErrorReason } from '../../services/kernel/errors.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import type { Refusal } from '../../services/kernel/refusal.ts'
import { appendOf, change, wholeLedger } from '../support/ledger-entries.ts'
import { waitFor } from '../support/wait-for.ts'

interface Row {
  readonly reason: string
  readonly caller: string
  readonly clinic: string
  readonly count: number
}

/** Decides about each append to the ledger; `undefined` lets it through. */
type Interference = (append: Append, ledger: Ledger, attempt: number) => ReturnType<Ledger['append']> | undefined

const open = async (t: Test, { interfere, keyStore = createMemoryKeyStore() }: { interfere?: Interference; keyStore?: KeyStore } = {}) => {
  const engine = createMemoryEngine({ clock: systemClock })
  t.teardown(() => engine.close())
  const batcher = createBatcher({ engine, clock: systemClock })
  const appends: Append[] = []
  const failures: ErrorReason[] = []
  const vault = createVault({
    masterKey: createMasterKey(Buffer.alloc(32, 7), systemRandomness),
    keyStore,
    randomness: systemRandomness,
    clock: systemClock,
  })
  await vault.createClinic('north')
  await engine.appendBatch([appendOf('north', noState, [change({ bytes: Buffer.from('{}') })])])
  const recorder = createRefusalRecorder({
    ledger: {
      ...batcher,
      append: (append) => {
        appends.push(append)
        return interfere?.(append, batcher, appends.length) ?? batcher.append(append)
      },
    },
    vault,
    clock: systemClock,
    randomness: systemRandomness,
    now: systemClock.wall,
    onFailure: (error) => failures.push((error as ChartwardenError).reason),
    intervalMs: 5,
  })
  t.teardown(() => recorder.close())
  const entries = async (clinic = systemLedger) => (await wholeLedger(engine, clinic)).filter(({ type }) => type.includes('refusals'))
  const rows = async (clinic = systemLedger): Promise<readonly Row[]> =>
    (await entries(clinic)).flatMap(({ bytes }) => openEnvelope(bytes).data.refusals as unknown as Row[])
  const total = async (clinic = systemLedger) => (await rows(clinic)).reduce((sum, { count }) => sum + count, 0)
  return { recorder, appends, failures, vault, engine, entries, rows, total }
}

const refusal = (given: Partial<Refusal> = {}): Refusal => ({
  reason: 'CLINIC_NOT_ALLOWED',
  caller: 'software',
  clinic: 'south',
  address: '127.0.0.1',
  ...given,
})

t.test('refusals are counted into the ledger they belong to', async (t) => {
  const { recorder, rows } = await open(t)
  for (let call = 0; call < 3; call += 1) recorder.record(refusal())
  recorder.record(refusal({ reason: 'SCOPE_MISSING', clinic: 'north' }))
  recorder.record({ reason: 'TOKEN_MISSING', address: '::1' })
  await recorder.close()
  t.same(await rows(), [
    { reason: 'CLINIC_NOT_ALLOWED', caller: 'software', clinic: 'south', address: '127.0.0.1', count: 3 },
    { reason: 'TOKEN_MISSING', caller: '', clinic: '', address: '::1', count: 1 },
  ])
  t.same(await rows('north'), [{ reason: 'SCOPE_MISSING', caller: 'software', clinic: 'north', address: '127.0.0.1', count: 1 }])
})

t.test('names of control characters do not switch the ledger off, neither for them nor for what comes after', async (t) => {
  const { recorder, failures, rows, total } = await open(t)
  for (let call = 0; call < 110; call += 1) {
    const poison = '\u0001'.repeat(125) + String(call).padStart(3, '0')
    recorder.record(refusal({ clinic: poison, caller: poison, address: poison }))
  }
  await waitFor('the flood to be written', async () => (await total()) === 110)
  recorder.record(refusal())
  await waitFor('the ordinary one to be written', async () => (await total()) === 111)
  t.ok((await rows()).some(({ clinic, count }) => clinic === 'south' && count === 1))
  t.same(failures, [])
})

t.test('a summary that is too large for one entry is written as several, all or none', async (t) => {
  const { recorder, appends, total } = await open(t)
  for (let call = 0; call < 100; call += 1) {
    const name = String(call).padStart(3, '0')
    recorder.record(refusal({ caller: name.padEnd(128, '"'), clinic: name.padEnd(63, 'x'), address: name.padEnd(128, 'y') }))
  }
  await recorder.close()
  t.equal(await total(), 100)
  t.equal(appends.length, 1)
  t.ok((appends[0]?.entries.length ?? 0) > 1)
  t.ok(appends[0]?.entries.every(({ bytes }) => bytes.length <= maxEntryBytes / 2 + 1_000))
})

t.test('a clinic with keys but without a ledger is counted by the operator, once', async (t) => {
  const { recorder, vault, appends, failures, rows, total } = await open(t)
  await vault.createClinic('ghost')
  recorder.record(refusal({ reason: 'SCOPE_MISSING', clinic: 'ghost' }))
  await waitFor('the summary', async () => (await total()) === 1)
  await recorder.close()
  t.match(await rows(), [{ reason: 'SCOPE_MISSING', clinic: 'ghost', count: 1 }])
  t.same(
    appends.map(({ clinic }) => clinic),
    ['ghost', systemLedger],
  )
  t.same(failures, [])
})

t.test('a clinic without keys is counted by the operator, also at the end', async (t) => {
  const { recorder, total } = await open(t)
  recorder.record(refusal({ reason: 'SCOPE_MISSING', clinic: 'nowhere' }))
  await recorder.close()
  t.equal(await total(), 1)
})

t.test('an append whose answer was lost is sent again as it was, so that nothing counts twice', async (t) => {
  const lost = async (append: Append, ledger: Ledger) => {
    await ledger.append(append)
    throw new ChartwardenError('LEDGER_UNAVAILABLE')
  }
  const { recorder, appends, failures, entries, total } = await open(t, {
    interfere: (append, ledger, attempt) => {
      if (attempt === 1) recorder.record(refusal({ caller: 'meanwhile' }))
      return attempt <= 2 ? lost(append, ledger) : undefined
    },
  })
  recorder.record(refusal())
  await waitFor('both summaries', async () => (await total()) === 2)
  await recorder.close()
  t.same(failures, ['LEDGER_UNAVAILABLE', 'LEDGER_UNAVAILABLE'])
  t.equal(appends.length, 4)
  for (const again of [1, 2]) {
    t.equal(appends[again]?.entries[0]?.id, appends[0]?.entries[0]?.id)
    t.same(appends[again]?.entries[0]?.bytes, appends[0]?.entries[0]?.bytes)
  }
  t.equal((await entries()).length, 2)
  t.equal(await total(), 2)
})

t.test('faults that pass are waited out, and every refusal meanwhile is in the end written once', async (t) => {
  const faults: readonly ErrorReason[] = ['LEDGER_UNAVAILABLE', 'OVERLOADED', 'DEADLINE_EXCEEDED']
  const { recorder, failures, total } = await open(t, {
    interfere: (_append, _ledger, attempt) => {
      const reason = faults[attempt - 1]
      if (reason === undefined) return undefined
      recorder.record(refusal({ caller: `during-${attempt}` }))
      return Promise.reject(new ChartwardenError(reason))
    },
  })
  recorder.record(refusal())
  await waitFor('the faults', () => failures.length === faults.length)
  await waitFor('the summaries', async () => (await total()) >= 4)
  await recorder.close()
  t.equal(await total(), 4)
  t.same(failures, faults)
})

t.test('what a statement did not take in time is sent again as it was', async (t) => {
  const { recorder, appends, total } = await open(t, {
    interfere: (_append, _ledger, attempt) => (attempt === 1 ? Promise.resolve({ kind: 'stale', ledgerTime: 0 }) : undefined),
  })
  recorder.record(refusal())
  await waitFor('the summary', async () => (await total()) === 1)
  t.equal(appends[1]?.entries[0]?.id, appends[0]?.entries[0]?.id)
})

for (const [what, outcome] of [
  ['that is refused for good', () => Promise.reject(new ChartwardenError('INVALID_ARGUMENT'))],
  ['that breaks something', () => Promise.reject(new TypeError('x'))],
  ['whose id is taken', () => Promise.resolve({ kind: 'mismatch', ledgerTime: 0 } as const)],
] as const) {
  t.test(`a summary ${what} is given up aloud, and its numbers stand in the next one`, async (t) => {
    const { recorder, appends, failures, rows, total } = await open(t, {
      interfere: (_append, _ledger, attempt) => (attempt === 1 ? outcome() : undefined),
    })
    for (let call = 0; call < 7; call += 1) recorder.record(refusal({ caller: `caller-${call}` }))
    await waitFor('the failure', () => failures.length === 1)
    recorder.record(refusal({ caller: 'next' }))
    await waitFor('the next summary', async () => (await total()) === 8)
    t.equal(appends.length, 2, 'it was not tried again')
    t.match(await rows(), [
      { reason: 'CLINIC_NOT_ALLOWED', caller: '', clinic: '(unwritten)', address: '', count: 7 },
      { caller: 'next', count: 1 },
    ])
    t.equal(failures.length, 1)
  })
}

t.test('after a fault for good the recorder rests until there is something new', async (t) => {
  const { recorder, appends, failures } = await open(t, { interfere: () => Promise.reject(new ChartwardenError('LEDGER_REGRESSED')) })
  recorder.record(refusal())
  await waitFor('the failure', () => failures.length === 1)
  await recorder.close()
  t.equal(appends.length, 1)
  t.equal(failures.length, 1)
})

t.test('without the key store refusals stay counted', async (t) => {
  const store = createMemoryKeyStore()
  let down = 3
  const keyStore: KeyStore = {
    ...store,
    clinicKeys: async (clinic) => {
      if (clinic === systemLedger && down-- > 0) throw new ChartwardenError('LEDGER_UNAVAILABLE')
      return store.clinicKeys(clinic)
    },
  }
  const { recorder, failures, rows, total } = await open(t, { keyStore })
  recorder.record(refusal())
  recorder.record(refusal())
  await waitFor('the summary', async () => (await total()) === 2)
  t.match(await rows(), [{ caller: 'software', count: 2 }])
  t.same(failures, ['LEDGER_UNAVAILABLE', 'LEDGER_UNAVAILABLE', 'LEDGER_UNAVAILABLE'])
})
