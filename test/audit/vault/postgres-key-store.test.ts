/** The key store over a real server: replicas agree, faults are the ledger's to report, and a key destroyed in the table is gone everywhere in time. */
import t, { type Test } from 'tap'
import { createBatcher } from '../../../services/audit/batcher.ts'
import { createMemoryEngine } from '../../../services/audit/engines/memory.ts'
import { createIdentities } from '../../../services/audit/identities.ts'
import { noState } from '../../../services/audit/ledger.ts'
import { createVault } from '../../../services/audit/vault/create-vault.ts'
import type { KeyStore } from '../../../services/audit/vault/key-store.ts'
import { createMasterKey } from '../../../services/audit/vault/master-key.ts'
import { createPostgresKeyStore } from '../../../services/audit/vault/postgres-key-store.ts'
import type { Identity, Pseudonym, SealContext } from '../../../services/audit/vault.ts'
import { systemClock } from '../../../services/kernel/clock.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { fault } from '../../support/fault.ts'
import { appendOf, change } from '../../support/ledger-entries.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { ownTestServer } from '../../support/postgres.ts'
import { openPool } from '../../support/postgres-engine.ts'
import { createVaultDatabase } from '../../support/postgres-vault.ts'

const masterKey = createMasterKey(systemRandomness.bytes(32), systemRandomness)
const patient: Identity = { kind: 'patient', type: '', id: 'p-1' }
const place: SealContext = { clinic: 'north', entryId: '5f3a4a52-5e2c-4a1b-9a0e-0c6f1f6a7b10', entryType: 'chartwarden.access.decided.v1' }
const minute = 60_000

const open = async (t: Test) => {
  const database = await createVaultDatabase(t)
  const keyStore = () => createPostgresKeyStore({ pool: openPool(t, database.writerUrl) })
  const owner = openPool(t, database.migrateUrl)
  const destroy = async (pseudonym: Pseudonym) =>
    (
      await owner.query(
        `update chartwarden_vault.identity_keys set wrapped_key = null, destroyed_at = clock_timestamp() where clinic = 'north' and pseudonym = $1`,
        [pseudonym],
      )
    ).rowCount
  return { keyStore, destroy }
}

t.test('what is put is what is found, and putting again changes nothing', async (t) => {
  const store = (await open(t)).keyStore()
  t.equal(await store.clinicKeys('north'), undefined)
  const keys = { pseudonymKey: systemRandomness.bytes(48), digestKey: systemRandomness.bytes(48) }
  const plain = (found: typeof keys | undefined) => found && [...found.pseudonymKey, ...found.digestKey]
  t.same(plain(await store.putClinicKeys('north', keys)), plain(keys))
  t.same(plain(await store.putClinicKeys('north', { pseudonymKey: Buffer.from('x'), digestKey: Buffer.from('y') })), plain(keys))
  t.same(plain(await store.clinicKeys('north')), plain(keys))
  const identity = (wrapped: string) => ({ pseudonym: 'a' as Pseudonym, wrapped: Buffer.from(wrapped), commit: wrapped })
  t.equal((await store.putIdentityKeys('north', [identity('first')])).get('a' as Pseudonym)?.commit, 'first')
  t.equal((await store.putIdentityKeys('north', [identity('second')])).get('a' as Pseudonym)?.commit, 'first')
  t.equal((await store.putIdentityKeys('south', [identity('third')])).get('a' as Pseudonym)?.commit, 'third')
  t.equal((await store.identityKeys('north', ['a', 'b'] as Pseudonym[])).size, 1)
})

t.test('replicas that make the same clinic and the same thousand identities at once agree on every key', async (t) => {
  const { keyStore } = await open(t)
  const replicas = Array.from({ length: 4 }, () => createVault({ masterKey, keyStore: keyStore(), randomness: systemRandomness }))
  const clinics = await Promise.all(replicas.map((vault) => vault.createClinic('north')))
  const made = await Promise.all(
    clinics.map((clinic, replica) => {
      const identities = Array.from({ length: 1_000 }, (_, index) => ({ ...patient, id: `p-${(index * 7 + replica * 311) % 1_000}` }))
      return Promise.all(identities.map((identity) => clinic.identity(identity)))
    }),
  )
  const commits = new Map<string, Set<string>>()
  for (const { pseudonym, commit } of made.flat()) commits.set(pseudonym, (commits.get(pseudonym) ?? new Set()).add(commit))
  t.equal(commits.size, 1_000)
  t.ok([...commits.values()].every((distinct) => distinct.size === 1))
})

t.test('a key destroyed by the owner opens and seals nothing in a running process after a minute', async (t) => {
  const { keyStore, destroy } = await open(t)
  const clock = manualClock()
  const engine = createMemoryEngine({ clock })
  t.teardown(() => engine.close())
  await engine.appendBatch([appendOf('north', noState, [change()])])
  const vault = createVault({ masterKey, keyStore: keyStore(), randomness: systemRandomness, clock })
  const clinic = await vault.createClinic('north')
  const identities = createIdentities({ ledger: createBatcher({ engine, clock }), now: clock.wall, randomness: systemRandomness, clock })
  await identities.introduce('north', clinic, [patient], { caller: 'test' }, Number.POSITIVE_INFINITY)
  const { pseudonym, commit } = await clinic.identity(patient)
  const sealed = await clinic.seal(pseudonym, place, { reason: 'toothache' })
  if (sealed === 'key_destroyed') throw new Error('the key exists')
  const who = async () => (await identities.resolve('north', clinic, [pseudonym])).get(pseudonym)
  t.match(await who(), { kind: 'known', id: 'p-1' })

  t.equal(await destroy(pseudonym), 1, 'the owner can really do it')
  clock.advance(minute - 1)
  t.match(await clinic.open(sealed, place), { kind: 'opened' }, 'the bound is stated, and it is used: no query for each entry')
  clock.advance(1)
  t.same(await clinic.open(sealed, place), { kind: 'key_destroyed' })
  t.equal(await clinic.seal(pseudonym, place, { reason: 'x' }), 'key_destroyed')
  t.same(await clinic.identity(patient), { pseudonym, commit }, 'and it gets no new key')
  t.same(await who(), { kind: 'erased' })
})

t.test('destroyed keys are told for one clinic, and only while they are not all known', async (t) => {
  const { keyStore, destroy } = await open(t)
  const store = keyStore()
  for (const clinic of ['north', 'south'])
    await store.putIdentityKeys(
      clinic,
      ['a', 'b', 'c'].map((name) => ({ pseudonym: name as Pseudonym, wrapped: Buffer.from('w'), commit: 'c' })),
    )
  t.same(await store.destroyedKeys('north', 0), [])
  await destroy('b' as Pseudonym)
  t.same(await store.destroyedKeys('north', 0), ['b'])
  t.same(await store.destroyedKeys('north', 1), [])
  await destroy('a' as Pseudonym)
  t.same([...(await store.destroyedKeys('north', 1))].sort(), ['a', 'b'])
  t.same(await store.destroyedKeys('south', 0), [])
})

t.test('an age is counted from the question to the store, and use does not make a key younger', async (t) => {
  const { keyStore, destroy } = await open(t)
  const clock = manualClock()
  const store = keyStore()
  let answering = async (): Promise<void> => {}
  const slow: KeyStore = {
    ...store,
    identityKeys: async (clinic, pseudonyms) => {
      const found = await store.identityKeys(clinic, pseudonyms)
      await answering()
      return found
    },
  }
  const writer = await createVault({ masterKey, keyStore: store, randomness: systemRandomness, clock }).createClinic('north')
  const { pseudonym } = await writer.identity(patient)
  const sealed = await writer.seal(pseudonym, place, { reason: 'x' })
  if (sealed === 'key_destroyed') throw new Error('the key exists')
  const reader = await createVault({ masterKey, keyStore: slow, randomness: systemRandomness, clock }).createClinic('north')
  answering = async () => {
    await destroy(pseudonym)
    clock.advance(minute / 2)
    answering = async () => {}
  }
  t.match(await reader.open(sealed, place), { kind: 'opened' }, 'destroyed while it was read')
  clock.advance(minute / 2 - 1)
  t.match(await reader.open(sealed, place), { kind: 'opened' })
  clock.advance(1)
  t.same(await reader.open(sealed, place), { kind: 'key_destroyed' })
})

t.test(
  'a database that is killed is LEDGER_UNAVAILABLE with its cause for every call, and the next one after it is back is answered',
  async (t) => {
    const server = await ownTestServer(t)
    const database = await createVaultDatabase(t, { server })
    const store = createPostgresKeyStore({ pool: openPool(t, database.writerUrl) })
    const keys = { pseudonymKey: Buffer.from('p'), digestKey: Buffer.from('d') }
    const identity = { pseudonym: 'a' as Pseudonym, wrapped: Buffer.from('w'), commit: 'c' }
    await store.putClinicKeys('north', keys)
    await server.kill('SIGKILL')
    const calls: readonly (() => Promise<unknown>)[] = [
      () => store.clinicKeys('north'),
      () => store.putClinicKeys('north', keys),
      () => store.identityKeys('north', [identity.pseudonym]),
      () => store.putIdentityKeys('north', [identity]),
      () => store.destroyedKeys('north', 0),
      () => createVault({ masterKey, keyStore: store, randomness: systemRandomness, clock: systemClock }).createClinic('east'),
    ]
    for (const call of calls) await t.rejects(call(), fault('LEDGER_UNAVAILABLE'))
    const cause = await store.clinicKeys('north').catch((error: Error) => error.cause)
    t.type(cause, Error)
    await server.start()
    t.ok(await store.clinicKeys('north'))
  },
)

t.test('a store that does not answer in time is given up', async (t) => {
  const database = await createVaultDatabase(t)
  const superuser = await openPool(t, database.adminUrl).connect()
  await superuser.query('begin')
  await superuser.query('lock table chartwarden_vault.clinic_keys in access exclusive mode')
  const store = createPostgresKeyStore({ pool: openPool(t, database.writerUrl), answerTimeoutMs: 200 })
  await t.rejects(store.clinicKeys('north'), fault('LEDGER_UNAVAILABLE'))
  await superuser.query('rollback')
  superuser.release()
})
