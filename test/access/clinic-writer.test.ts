/** The clinic writer alone: what counts as a ledger that went backwards, and what does not. */
import t from 'tap'
import { createClinicWriters, type Transaction } from '../../services/access/clinic-writer.ts'
import { administratorDefinition } from '../../services/access/policy/administrator.ts'
import { createBatcher } from '../../services/audit/batcher.ts'
import { composeEntry } from '../../services/audit/compose-entry.ts'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import { type Head, type Ledger, noState } from '../../services/audit/ledger.ts'
import { createVault } from '../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../services/audit/vault/memory-key-store.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { fault } from '../support/fault.ts'
import { recordingTracer } from '../support/recording-tracer.ts'

const clinic = 'north'
const actor = { rule: 'scope/policy.write' }
const far = Number.POSITIVE_INFINITY

/** A ledger with one clinic, and two writers of it as two replicas have them; `ledger` of the second may be replaced in its parts. */
const twoWriters = async (over: (ledger: Ledger) => Partial<Ledger> = () => ({})) => {
  const ledger = createBatcher({ engine: createMemoryEngine({ clock: systemClock }), clock: systemClock })
  const vault = createVault({
    masterKey: createMasterKey(systemRandomness.bytes(32), systemRandomness),
    keyStore: createMemoryKeyStore(),
    randomness: systemRandomness,
  })
  const keys = await vault.createClinic(clinic)
  const entry = (type: string, data: object, stateChanging: boolean, id = systemRandomness.uuid()) =>
    composeEntry(keys, systemRandomness, {
      clinic,
      id,
      type,
      stateChanging,
      time: systemClock.wall(),
      provenance: { caller: 'test' },
      requestDigest: keys.requestDigest('one request'),
      data,
    })
  const administrator = { type: 'staff', pseudonym: keys.pseudonym({ kind: 'subject', type: 'staff', id: 'boss' }) }
  const registration = await entry('chartwarden.clinic.registered.v1', { title: 'T', time_zone: 'UTC', administrator }, true)
  await ledger.append({ clinic, entries: [registration], restsOn: noState })
  const options = { vault, now: () => systemClock.wall(), clock: systemClock }
  const here = await createClinicWriters({ ...options, ledger }).open(clinic)
  const again: string[] = []
  const observer = { decidedAgain: (cause: string) => void again.push(cause) }
  const tracer = recordingTracer()
  const there = await createClinicWriters({ ...options, observer, tracer, ledger: { ...ledger, ...over(ledger) } }).open(clinic)
  /** Records something that changes no state. */
  const note = (id?: string): Transaction<null> => ({
    decide: () => null,
    notAfter: () => undefined,
    entries: async () => [await entry('chartwarden.access.recorded.v1', {}, false, id)],
  })
  const change = (): Transaction<null> => ({
    decide: () => null,
    notAfter: () => undefined,
    entries: async () => [await entry('chartwarden.role.defined.v2', { actor, ...administratorDefinition }, true)],
  })
  return { ledger, here, there, note, change, again, tracer }
}

/** Holds the next answer of a call until it is let through. */
const holdAnswer = () => {
  const release = Promise.withResolvers<void>()
  const arrived = Promise.withResolvers<void>()
  let armed = false
  return {
    arm: () => {
      armed = true
    },
    release: release.resolve,
    arrived: arrived.promise,
    through: async <Answer>(answer: Answer): Promise<Answer> => {
      if (armed) {
        armed = false
        arrived.resolve()
        await release.promise
      }
      return answer
    },
  }
}

t.test('an answer about the head that is overtaken by an append is not a ledger that went backwards', async (t) => {
  const held = holdAnswer()
  const { there, note } = await twoWriters((ledger) => ({ head: async (name) => held.through(await ledger.head(name)) }))
  held.arm()
  const refreshing = there.refresh()
  await held.arrived
  for (let count = 0; count < 3; count += 1) t.equal((await there.commit(note(), far)).kind, 'stored')
  held.release()
  await t.resolves(refreshing)
  t.equal((await there.commit(note(), far)).kind, 'stored', 'the clinic is still served')
})

t.test('a duplicate that is overtaken by a state change is not a ledger that went backwards', async (t) => {
  const held = holdAnswer()
  const { here, there, note, change } = await twoWriters((ledger) => ({
    append: async (append) => held.through(await ledger.append(append)),
  }))
  const id = systemRandomness.uuid()
  t.equal((await there.commit(note(id), far)).kind, 'stored')
  held.arm()
  const repeated = there.commit(note(id), far)
  await held.arrived
  await here.commit(change(), far)
  await there.refresh()
  held.release()
  t.equal((await repeated).kind, 'duplicate')
  t.equal((await there.commit(note(), far)).kind, 'stored')
})

t.test('what is decided again is told with its cause, and each decision has its span', async (t) => {
  let answers = 0
  const { here, there, note, change, again, tracer } = await twoWriters((ledger) => ({
    append: async (append) => {
      answers += 1
      return answers === 2 ? { kind: 'stale', ledgerTime: systemClock.wall() } : ledger.append(append)
    },
  }))
  await there.commit(note(), far)
  t.strictSame(again, [], 'twin: what is taken at once is not told')
  answers = 1
  await there.commit({ ...note(), traced: () => ({ 'chartwarden.decision': 'permit' }) }, far)
  t.strictSame(again, ['stale'])
  await here.commit(change(), far)
  await there.commit(note(), far)
  t.strictSame(again, ['stale', 'moved'])
  t.match(
    tracer.spans.map(({ name, attributes }) => [name, attributes['chartwarden.attempt'], attributes['chartwarden.decision']]),
    [
      ['decide', 1, undefined],
      ['decide', 1, 'permit'],
      ['decide', 2, 'permit'],
      ['decide', 1, undefined],
      ['decide', 2, undefined],
    ],
  )
})

t.test('a head lower than one already seen stops the clinic', async (t) => {
  let answer: Head | undefined
  const { there, note, change } = await twoWriters((ledger) => ({ head: async (name) => answer ?? ledger.head(name) }))
  await there.commit(change(), far)
  answer = { revision: 0n, stateRevision: 0n }
  await t.rejects(there.refresh(), fault('LEDGER_REGRESSED'))
  answer = undefined
  await t.rejects(there.commit(note(), far), fault('LEDGER_REGRESSED'), 'until somebody has looked')
})

t.test('a place that was given away before stops the clinic', async (t) => {
  const { there, note } = await twoWriters((ledger) => ({
    append: async (append) => {
      const outcome = await ledger.append(append)
      return outcome.kind === 'stored' && lying ? { ...outcome, revisions: [0n] } : outcome
    },
  }))
  let lying = false
  await there.commit(note(), far)
  lying = true
  await t.rejects(there.commit(note(), far), fault('LEDGER_REGRESSED'))
})

t.test('a state that has moved is read and decided on again', async (t) => {
  const { here, there, note, change } = await twoWriters()
  await here.commit(change(), far)
  const decidedOn: bigint[] = []
  const committed = await there.commit(
    {
      ...note(),
      decide: (state) => {
        decidedOn.push(state.revision)
        return null
      },
    },
    far,
  )
  t.equal(committed.kind, 'stored')
  t.same(decidedOn, [0n, 1n])
})

t.test('a deadline that has passed ends the trying', async (t) => {
  const { there, note } = await twoWriters()
  await t.rejects(there.commit(note(), systemClock.monotonic() - 1), fault('DEADLINE_EXCEEDED'))
})
