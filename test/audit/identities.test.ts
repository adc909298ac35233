import t, { type Test } from 'tap'
import { createBatcher } from '../../services/audit/batcher.ts'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import { openEnvelope } from '../../services/audit/entry.ts'
import { createIdentities, identityEntryId } from '../../services/audit/identities.ts'
import { type Append, type Ledger, noState } from '../../services/audit/ledger.ts'
import { createVault } from '../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../services/audit/vault/memory-key-store.ts'
import type { Identity, Pseudonym } from '../../services/audit/vault.ts'
import { ChartwardenError, type ErrorReason } from '../../services/kernel/errors.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { fault } from '../support/fault.ts'
import { holdEngine } from '../support/held-engine.ts'
import { appendOf, change, wholeLedger } from '../support/ledger-entries.ts'
import { manualClock } from '../support/manual-clock.ts'

const clinic = 'north'
const anna: Identity = { kind: 'subject', type: 'staff', id: 'anna' }
const patient: Identity = { kind: 'patient', type: '', id: 'p-1' }
const by = (caller: string) => ({ caller })
const minute = 60_000

const open = async (t: Test) => {
  const clock = manualClock()
  const memory = createMemoryEngine({ clock })
  t.teardown(() => memory.close())
  const engine = holdEngine(memory)
  const keyStore = createMemoryKeyStore()
  const masterKey = createMasterKey(systemRandomness.bytes(32), systemRandomness)
  await memory.appendBatch([appendOf(clinic, noState, [change({ bytes: Buffer.from('{}') })])])
  /** A process of its own over the same ledger and key store. */
  const replica = async (decorate: (ledger: Ledger) => Ledger = (ledger) => ledger) => {
    const batcher = createBatcher({ engine, clock, maxQueueMs: Number.POSITIVE_INFINITY })
    const vault = await createVault({ masterKey, keyStore, randomness: systemRandomness, clock }).createClinic(clinic)
    const identities = createIdentities({ ledger: decorate(batcher), now: clock.wall, randomness: systemRandomness, clock })
    const introduce = (who: readonly Identity[], deadline = Number.POSITIVE_INFINITY, caller = 'software') =>
      identities.introduce(clinic, vault, who, by(caller), deadline)
    const resolve = async (identity: Identity) => {
      const pseudonym = vault.pseudonym(identity)
      return (await identities.resolve(clinic, vault, [pseudonym])).get(pseudonym)
    }
    return { vault, identities, introduce, resolve }
  }
  const introductions = async () => (await wholeLedger(memory, clinic)).filter(({ type }) => type === 'chartwarden.identity.introduced.v1')
  return { clock, engine, keyStore, replica, introductions }
}

/** The reason for which a call failed; undefined if it did not. */
const failure = (work: Promise<unknown>): Promise<ErrorReason | undefined> =>
  work.then(
    () => undefined,
    (error: ChartwardenError) => error.reason,
  )

t.test('an identity stands in the ledger once, however many ask at once, and later', async (t) => {
  const { engine, replica, introductions } = await open(t)
  engine.passAll()
  const { introduce, vault } = await replica()
  await Promise.all(Array.from({ length: 200 }, () => introduce([anna, patient])))
  await introduce([anna, patient])
  const entries = await introductions()
  t.same(entries.map(({ id }) => id).sort(), [anna, patient].map((identity) => identityEntryId(clinic, vault.pseudonym(identity))).sort())
  t.equal(engine.sent.flatMap(({ appends }) => appends).length, 2, 'nor was it sent twice')
  const data = openEnvelope(entries[0]!.bytes).data
  t.match(data, {
    kind: 'subject',
    type: 'staff',
    pseudonym: vault.pseudonym(anna),
    commit: /^[\w-]{43}$/,
    sealed: { kid: vault.pseudonym(anna) },
  })
  t.notMatch(Buffer.from(entries[0]!.bytes).toString(), /anna/, 'sealed')
})

t.test('two replicas that introduce the same identities at once agree, and both open them', async (t) => {
  const { engine, replica, introductions } = await open(t)
  engine.passAll()
  const [here, there] = [await replica(), await replica()]
  await Promise.all(Array.from({ length: 20 }, (_, turn) => (turn % 2 === 0 ? here : there).introduce([anna, patient])))
  t.equal((await introductions()).length, 2)
  t.equal(engine.sent.flatMap(({ appends }) => appends).length, 4, 'each sent both: the ledger is what kept them once')
  for (const { resolve } of [here, there]) t.same(await resolve(patient), { kind: 'known', type: '', id: 'p-1' })
})

t.test('an introduction is durable before it returns, for the one who made it and those who joined', async (t) => {
  const { engine, replica, introductions } = await open(t)
  const { introduce } = await replica()
  const returned: string[] = []
  const all = ['first', 'joined'].map((name) => introduce([anna]).then(() => returned.push(name)))
  const held = await engine.next()
  await new Promise((resolve) => setImmediate(resolve))
  t.same(returned, [])
  t.equal((await introductions()).length, 0)
  await held.pass()
  await Promise.all(all)
  t.equal((await introductions()).length, 1)
  t.equal(engine.sent.length, 1)
})

t.test('a failed introduction is not taken for one', async (t) => {
  const { engine, replica, introductions } = await open(t)
  const { introduce } = await replica()
  const first = failure(introduce([anna]))
  const joined = failure(introduce([anna]))
  await (await engine.next()).fail(new Error('the database is gone'))
  t.equal(await first, 'LEDGER_UNAVAILABLE')
  t.equal(await joined, 'LEDGER_UNAVAILABLE', 'what concerns everybody is everybody’s')
  engine.passAll()
  await introduce([anna])
  t.equal((await introductions()).length, 1)
})

t.test('the deadline of the one who was first is not that of those who joined', async (t) => {
  const { clock, engine, replica, introductions } = await open(t)
  const { introduce } = await replica()
  // A statement in flight keeps what comes next in the queue until deadlines have passed.
  const occupying = introduce([patient])
  const statement = await engine.next()
  const now = clock.monotonic()
  const hasty = failure(introduce([anna], now + 10, 'hasty'))
  const lessHasty = failure(introduce([anna], now + 15, 'less-hasty'))
  const patientOnes = Array.from({ length: 5 }, (_, index) => failure(introduce([anna], now + minute, `patient-${index}`)))
  await new Promise((resolve) => setImmediate(resolve))
  clock.advance(20)
  engine.passAll()
  await statement.pass()
  await occupying
  t.equal(await hasty, 'DEADLINE_EXCEEDED')
  t.equal(await lessHasty, 'DEADLINE_EXCEEDED', 'whose own deadline has passed does not go on')
  t.same(await Promise.all(patientOnes), [undefined, undefined, undefined, undefined, undefined])
  const entries = await introductions()
  t.equal(entries.length, 2)
  t.equal(openEnvelope(entries[1]!.bytes).caller, 'patient-0', 'one of them appended for all')
})

t.test('overload of the one who was first is not that of those who joined', async (t) => {
  const { engine, replica, introductions } = await open(t)
  engine.passAll()
  let refusing = 1
  const busy = (ledger: Ledger): Ledger => ({
    ...ledger,
    append: (append: Append) => (refusing-- > 0 ? Promise.reject(new ChartwardenError('OVERLOADED')) : ledger.append(append)),
  })
  const { introduce } = await replica(busy)
  const reasons = await Promise.all([failure(introduce([anna])), failure(introduce([anna])), failure(introduce([anna]))])
  t.same(reasons, ['OVERLOADED', undefined, undefined])
  t.equal((await introductions()).length, 1)
  refusing = Number.POSITIVE_INFINITY
  t.equal(await failure(introduce([patient])), 'OVERLOADED', 'one’s own overload is told, not retried')
})

t.test('an identity of a clinic without a ledger is refused', async (t) => {
  const { engine, replica } = await open(t)
  engine.passAll()
  const { identities, vault } = await replica()
  await t.rejects(identities.introduce('ghost', vault, [anna], by('x'), Number.POSITIVE_INFINITY), fault('CLINIC_NOT_ALLOWED'))
})

t.test('pseudonyms resolve to whom they stand for, or to why not', async (t) => {
  const { clock, engine, keyStore, replica } = await open(t)
  engine.passAll()
  const here = await replica()
  await here.introduce([anna, patient])
  t.same(await here.resolve(anna), { kind: 'known', type: 'staff', id: 'anna' })
  t.same(await here.resolve({ ...anna, id: 'nobody' }), { kind: 'unknown' })
  const both = await here.identities.resolve(clinic, here.vault, [anna, patient, anna].map(here.vault.pseudonym))
  t.equal(both.size, 2)
  t.same(await here.identities.resolve(clinic, here.vault, []), new Map<Pseudonym, never>())

  keyStore.destroy(clinic, here.vault.pseudonym(patient))
  t.same(await (await replica()).resolve(patient), { kind: 'erased' }, 'at once where it was never opened')
  t.match(await here.resolve(patient), { kind: 'known' }, 'for a minute longer where it was')
  clock.advance(minute)
  t.same(await here.resolve(patient), { kind: 'erased' })
  t.same(await here.resolve(anna), { kind: 'known', type: 'staff', id: 'anna' })
})

t.test('an identity erased before it was introduced anew stays erased', async (t) => {
  const { engine, keyStore, replica, introductions } = await open(t)
  engine.passAll()
  const first = await replica()
  const { pseudonym } = await first.vault.identity(patient)
  keyStore.destroy(clinic, pseudonym)
  const second = await replica()
  await second.introduce([patient])
  t.equal(openEnvelope((await introductions())[0]!.bytes).data.sealed, undefined)
  t.same(await second.resolve(patient), { kind: 'erased' })
})
