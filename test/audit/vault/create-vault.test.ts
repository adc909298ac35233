import t from 'tap'
import { createVault } from '../../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../../services/audit/vault/memory-key-store.ts'
import type { Identity, SealContext } from '../../../services/audit/vault.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { fault } from '../../support/fault.ts'

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
