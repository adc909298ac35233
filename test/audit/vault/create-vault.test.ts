import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { createVault } from '../../../services/audit/vault/create-vault.ts'
import type { KeyStore } from '../../../services/audit/vault/key-store.ts'
import { createMasterKey } from '../../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../../services/audit/vault/memory-key-store.ts'
import type { Identity, Pseudonym, SealContext } from '../../../services/audit/vault.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { fault } from '../../support/fault.ts'
import { manualClock } from '../../support/manual-clock.ts'

const masterKey = createMasterKey(systemRandomness.bytes(32), systemRandomness)
const patient: Identity = { kind: 'patient', type: '', id: 'p-1' }
const place: SealContext = { clinic: 'north', entryId: '5f3a4a52-5e2c-4a1b-9a0e-0c6f1f6a7b10', entryType: 'chartwarden.access.decided.v1' }

const fresh = () => {
  const keyStore = createMemoryKeyStore()
  return { keyStore, vault: createVault({ masterKey, keyStore, randomness: systemRandomness }) }
}

t.test('a pseudonym is the same for every replica of a clinic and different in every clinic, kind and type', async (t) => {
  const { keyStore, vault } = fresh()
  const north = await vault.createClinic('north')
  const replica = await createVault({ masterKey, keyStore, randomness: systemRandomness }).clinic('north')
  const south = await vault.createClinic('south')
  t.equal(north.pseudonym(patient), replica?.pseudonym(patient))
  t.match(north.pseudonym(patient), /^[\w-]{43}$/)
  const others = [
    south.pseudonym(patient),
    north.pseudonym({ ...patient, kind: 'subject' }),
    north.pseudonym({ ...patient, type: 'x' }),
    north.pseudonym({ ...patient, id: 'p-2' }),
    north.pseudonym({ kind: 'subject', type: 'a","b', id: 'c' }),
    north.pseudonym({ kind: 'subject', type: 'a', id: 'b","c' }),
  ]
  t.equal(new Set([north.pseudonym(patient), ...others]).size, 7)
})

t.test('a clinic without keys has no vault', async (t) => {
  t.equal(await fresh().vault.clinic('nowhere'), undefined)
})

t.test('replicas that make the same identity at once agree on one data key', async (t) => {
  const { keyStore, vault } = fresh()
  const here = await vault.createClinic('north')
  const there = await createVault({ masterKey, keyStore, randomness: systemRandomness }).createClinic('north')
  const [first, second] = await Promise.all([here.identity(patient), there.identity(patient)])
  t.same(first, second)
  const sealed = await here.seal(first.pseudonym, place, { resource_id: 'r-1' })
  if (sealed === 'key_destroyed') throw new Error('the key exists')
  t.same(await there.open(sealed, place), { kind: 'opened', value: { resource_id: 'r-1' } })
})

t.test('a sealed part opens only where it was sealed', async (t) => {
  const { vault } = fresh()
  const clinic = await vault.createClinic('north')
  const { pseudonym } = await clinic.identity(patient)
  const sealed = await clinic.seal(pseudonym, place, { reason: 'toothache' })
  if (sealed === 'key_destroyed') throw new Error('the key exists')
  t.notMatch(JSON.stringify(sealed), /toothache/)
  for (const elsewhere of [
    { ...place, entryId: '5f3a4a52-5e2c-4a1b-9a0e-0c6f1f6a7b11' },
    { ...place, entryType: 'chartwarden.access.recorded.v1' },
    { ...place, clinic: 'south' },
  ]) {
    await t.rejects(clinic.open(sealed, elsewhere), fault('INTERNAL'))
  }
  const flipped = Buffer.from(sealed.ct, 'base64url')
  flipped[0] = (flipped[0] as number) ^ 1
  await t.rejects(clinic.open({ ...sealed, ct: flipped.toString('base64url') }, place), fault('INTERNAL'))
})

t.test('a destroyed key erases: nothing opens, nothing is sealed anew, the commitment stays', async (t) => {
  const { keyStore, vault } = fresh()
  const clinic = await vault.createClinic('north')
  const { pseudonym, commit } = await clinic.identity(patient)
  const sealed = await clinic.seal(pseudonym, place, { reason: 'toothache' })
  if (sealed === 'key_destroyed') throw new Error('the key exists')
  keyStore.destroy('north', pseudonym)
  const later = await createVault({ masterKey, keyStore, randomness: systemRandomness }).createClinic('north')
  t.same(await later.open(sealed, place), { kind: 'key_destroyed' })
  t.equal(await later.seal(pseudonym, place, { reason: 'x' }), 'key_destroyed')
  t.same(await later.identity(patient), { pseudonym, commit })
})

t.test('a thousand keys in use are one question a minute, and one destroyed among them is found by it', async (t) => {
  const keyStore = createMemoryKeyStore()
  const clock = manualClock()
  const asked = { keys: 0, destroyed: 0 }
  const counted: KeyStore = {
    ...keyStore,
    identityKeys: (...of) => {
      asked.keys += 1
      return keyStore.identityKeys(...of)
    },
    destroyedKeys: (...of) => {
      asked.destroyed += 1
      return keyStore.destroyedKeys(...of)
    },
  }
  const clinic = await createVault({ masterKey, keyStore: counted, randomness: systemRandomness, clock }).createClinic('north')
  const known = await Promise.all(Array.from({ length: 1_000 }, (_, index) => clinic.identity({ ...patient, id: `p-${index}` })))
  const sealAll = () => Promise.all(known.map(({ pseudonym }) => clinic.seal(pseudonym, place, { reason: 'x' })))
  const first = known[0]?.pseudonym as Pseudonym
  asked.keys = 0
  for (let minutes = 0; minutes < 3; minutes += 1) {
    clock.advance(60_000)
    t.notOk((await sealAll()).includes('key_destroyed'))
  }
  t.same(asked, { keys: 0, destroyed: 3 })
  keyStore.destroy('north', first)
  clock.advance(60_000)
  t.same(
    (await sealAll()).flatMap((sealed, index) => (sealed === 'key_destroyed' ? [index] : [])),
    [0],
  )
  t.same(asked, { keys: 0, destroyed: 4 })
})

t.test('a key that was being read when it was destroyed is not kept beyond a minute', async (t) => {
  const keyStore = createMemoryKeyStore()
  const clock = manualClock()
  const { pseudonym } = await (
    await createVault({ masterKey, keyStore, randomness: systemRandomness, clock }).createClinic('north')
  ).identity(patient)
  const read = Promise.withResolvers<void>()
  const slow: KeyStore = {
    ...keyStore,
    identityKeys: async (...of) => {
      const found = await keyStore.identityKeys(...of)
      await read.promise
      return found
    },
  }
  const clinic = await createVault({ masterKey, keyStore: slow, randomness: systemRandomness, clock }).createClinic('north')
  const sealing = clinic.seal(pseudonym, place, { reason: 'x' })
  await setImmediate()
  keyStore.destroy('north', pseudonym)
  clock.advance(60_000)
  // Asks for what was destroyed, and then for a key nobody has.
  const other = clinic.seal('nobody' as Pseudonym, place, {}).catch((error: unknown) => error)
  await setImmediate()
  read.resolve()
  t.type(await other, Error)
  t.not(await sealing, 'key_destroyed', 'it had been asked for before')
  t.equal(await clinic.seal(pseudonym, place, { reason: 'x' }), 'key_destroyed')
})

t.test('while the store cannot say what was destroyed, nothing is sealed, and afterwards it is', async (t) => {
  const keyStore = createMemoryKeyStore()
  const clock = manualClock()
  let down = true
  const flaky: KeyStore = {
    ...keyStore,
    destroyedKeys: async (...of) => {
      if (down) throw new ChartwardenError('LEDGER_UNAVAILABLE')
      return keyStore.destroyedKeys(...of)
    },
  }
  const clinic = await createVault({ masterKey, keyStore: flaky, randomness: systemRandomness, clock }).createClinic('north')
  const { pseudonym } = await clinic.identity(patient)
  t.not(await clinic.seal(pseudonym, place, {}), 'key_destroyed')
  clock.advance(60_000)
  await t.rejects(clinic.seal(pseudonym, place, {}), fault('LEDGER_UNAVAILABLE'))
  down = false
  t.not(await clinic.seal(pseudonym, place, {}), 'key_destroyed')
})

t.test('another master key opens nothing', async (t) => {
  const { keyStore, vault } = fresh()
  await vault.createClinic('north')
  const other = createMasterKey(systemRandomness.bytes(32), systemRandomness)
  await t.rejects(createVault({ masterKey: other, keyStore, randomness: systemRandomness }).clinic('north'), fault('INTERNAL'))
})

t.test('a stored key does not open in the place of another', async (t) => {
  const wrapped = masterKey.wrap(systemRandomness.bytes(32), 'north\na')
  t.equal(masterKey.unwrap(wrapped, 'north\na').length, 32)
  t.throws(() => masterKey.unwrap(wrapped, 'north\nb'), fault('INTERNAL'))
  t.throws(() => masterKey.unwrap(wrapped.subarray(0, 20), 'north\na'), fault('INTERNAL'))
})
