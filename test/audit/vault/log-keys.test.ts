/** The keys that clinics' logs are signed with, over a real database. */
import { randomBytes, randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { formatNote, formatVerifierKey, verifyNote } from '../../../services/audit/log/note.ts'
import { createLogKeys } from '../../../services/audit/vault/create-log-keys.ts'
import { createMasterKey } from '../../../services/audit/vault/master-key.ts'
import { createPostgresKeyStore } from '../../../services/audit/vault/postgres-key-store.ts'
import { createPostgresLogKeyStore } from '../../../services/audit/vault/postgres-log-key-store.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { openPool } from '../../support/postgres-engine.ts'
import { createVaultDatabase } from '../../support/postgres-vault.ts'

const origin = 'log.example/v1/clinics/north/log'
const database = await createVaultDatabase(t)
const pool = openPool(t, database.writerUrl)
const owner = openPool(t, database.adminUrl)
const store = createPostgresLogKeyStore({ pool })
const key = randomBytes(32)

/** A process of its own, as far as keys go. */
const replica = (masterKey = key) => {
  const clock = manualClock()
  return {
    clock,
    keys: createLogKeys({
      masterKey: createMasterKey(masterKey, systemRandomness),
      store,
      randomness: systemRandomness,
      clock,
      now: clock.wall,
    }),
  }
}

const registered = async (test: Test): Promise<string> => {
  const clinic = `clinic-${test.name.length}-${randomUUID().slice(0, 8)}`
  await createPostgresKeyStore({ pool }).putClinicKeys(clinic, { pseudonymKey: randomBytes(1), digestKey: randomBytes(1) })
  return clinic
}

t.test('replicas that ask at once agree on the first key', async (t) => {
  const clinic = await registered(t)
  const found = await Promise.all(Array.from({ length: 8 }, () => replica().keys.current(clinic)))
  const names = found.map((keys) => keys.map((each) => formatVerifierKey(each.verifierKey(origin))))
  t.equal(names[0]?.length, 1)
  for (const each of names) t.same(each, names[0])
})

t.test('a clinic that is not registered has none, and none is made for it', async (t) => {
  t.same(await replica().keys.current('nowhere'), [])
  t.equal(await replica().keys.prepare('nowhere', randomUUID()), undefined)
  t.same((await owner.query(`select from chartwarden_vault.log_keys where clinic = 'nowhere'`)).rows, [])
})

t.test('during a change both keys sign, and whoever holds either accepts; after it only the new one signs', async (t) => {
  const clinic = await registered(t)
  const { keys, clock } = replica()
  const [old] = await keys.current(clinic)
  const id = randomUUID()
  const prepared = await keys.prepare(clinic, id)
  if (old === undefined || prepared === undefined) throw new Error('there are no keys')
  t.equal((await keys.current(clinic)).length, 1, 'a prepared key does not sign')
  await keys.activate(clinic, id, { revision: 1n, retireOthersAt: clock.wall() + 60_000 })

  const text = 'a text\n'
  const signed = async () =>
    formatNote(
      text,
      (await keys.current(clinic)).map((each) => each.sign(text, origin)),
    )
  const during = await signed()
  for (const each of [old, prepared]) t.equal(verifyNote(during, [each.verifierKey(origin)]).kind, 'verified')
  t.equal((await keys.current(clinic))[0]?.verifierKey(origin).keyId, prepared.verifierKey(origin).keyId, 'the newest first')
  t.equal((await keys.current(clinic))[1]?.retiresAt, clock.wall() + 60_000)

  clock.advance(60_000)
  const after = await signed()
  t.equal(verifyNote(after, [prepared.verifierKey(origin)]).kind, 'verified')
  t.equal(verifyNote(after, [old.verifierKey(origin)]).kind, 'unknown_keys')
})

t.test('preparing and activating again changes nothing', async (t) => {
  const clinic = await registered(t)
  const { keys, clock } = replica()
  await keys.current(clinic)
  const id = randomUUID()
  const [first, second] = await Promise.all([keys.prepare(clinic, id), replica().keys.prepare(clinic, id)])
  t.same(first?.verifierKey(origin), second?.verifierKey(origin))
  await keys.activate(clinic, id, { revision: 2n, retireOthersAt: clock.wall() + 60_000 })
  await keys.activate(clinic, id, { revision: 3n, retireOthersAt: clock.wall() + 1_000_000 })
  t.same(
    (await keys.current(clinic)).map(({ retiresAt }) => retiresAt),
    [undefined, clock.wall() + 60_000],
  )
})

t.test('the ledger orders changes, in whatever order they are carried out, and none lets an old key sign longer', async (t) => {
  const clinic = await registered(t)
  const { keys, clock } = replica()
  await keys.current(clinic)
  for (const [revision, after] of [
    [8n, 1_000_000],
    [7n, 60_000],
  ] as const) {
    const id = randomUUID()
    await keys.prepare(clinic, id)
    await keys.activate(clinic, id, { revision, retireOthersAt: clock.wall() + after })
  }
  t.same(
    (await keys.current(clinic)).map(({ retiresAt }) => retiresAt),
    [undefined, clock.wall() + 1_000_000, clock.wall() + 60_000],
  )
})

t.test('another replica learns of a new key within seconds', async (t) => {
  const clinic = await registered(t)
  const [here, there] = [replica(), replica()]
  await Promise.all([here.keys.current(clinic), there.keys.current(clinic)])
  const id = randomUUID()
  await here.keys.prepare(clinic, id)
  await here.keys.activate(clinic, id, { revision: 5n, retireOthersAt: here.clock.wall() + 60_000 })
  there.clock.advance(10_001)
  t.equal((await there.keys.current(clinic)).length, 2)
})

t.test('the keys of many clinics take one statement, and none is opened twice', async (t) => {
  const clinics = await Promise.all(Array.from({ length: 40 }, () => registered(t)))
  let statements = 0
  let unwrapped = 0
  const counting = new Proxy(pool, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function') return value
      if (name === 'query') statements += 1
      return value.bind(target)
    },
  })
  const masterKey = createMasterKey(key, systemRandomness)
  const clock = manualClock()
  const keys = createLogKeys({
    masterKey: {
      ...masterKey,
      unwrap: (...wrapped) => {
        unwrapped += 1
        return masterKey.unwrap(...wrapped)
      },
    },
    store: createPostgresLogKeyStore({ pool: counting }),
    randomness: systemRandomness,
    clock,
    now: clock.wall,
  })
  const names = async () =>
    [...(await keys.currentOf([...clinics, 'nowhere'])).values()].map((of) => of.map((each) => each.verifierKey(origin)))
  const first = await names()
  t.same(new Set(first.map((of) => of.length)), new Set([1, 0]))
  t.same(
    first.slice(0, -1),
    await Promise.all(clinics.map(async (clinic) => [(await replica().keys.current(clinic))[0]?.verifierKey(origin)])),
  )
  t.equal(new Set(first.flat().map(({ keyId }) => keyId)).size, 40, 'each clinic has its own')
  const other = replica()
  const id = randomUUID()
  await other.keys.prepare(clinics[0] as string, id)
  await other.keys.activate(clinics[0] as string, id, { revision: 5n, retireOthersAt: clock.wall() + 60_000 })
  await keys.currentOf(clinics)
  t.equal(unwrapped, 40)
  clock.advance(10_001)
  statements = 0
  t.equal((await keys.currentOf(clinics)).get(clinics[0] as string)?.length, 2, 'and what another replica has made is seen')
  t.same([statements, unwrapped], [1, 41])
  await keys.currentOf(clinics)
  t.equal(statements, 1)
})

t.test('another master key, another clinic and another public part open nothing', async (t) => {
  const [clinic, other] = [await registered(t), await registered(t)]
  await replica().keys.current(clinic)
  await replica().keys.current(other)
  await t.rejects(replica(randomBytes(32)).keys.current(clinic), /internal fault/)
  await owner.query(`update chartwarden_vault.log_keys set public_key = $2 where clinic = $1`, [clinic, randomBytes(32)])
  await t.rejects(replica().keys.current(clinic), /internal fault/, 'a public part of its own')
  await owner.query(
    `update chartwarden_vault.log_keys k set wrapped_key = o.wrapped_key, public_key = o.public_key
     from chartwarden_vault.log_keys o where k.clinic = $1 and o.clinic = $2`,
    [clinic, other],
  )
  await t.rejects(replica().keys.current(clinic), /internal fault/, 'the key of another clinic')
})

t.test('the private part never leaves: the database holds it wrapped only', async (t) => {
  const clinic = await registered(t)
  const seeds: Buffer[] = []
  const randomness = {
    ...systemRandomness,
    bytes: (length: number) => {
      const bytes = Buffer.from(systemRandomness.bytes(length))
      if (length === 32) seeds.push(bytes)
      return bytes
    },
  }
  await createLogKeys({ masterKey: createMasterKey(key, randomness), store, randomness, clock: manualClock(), now: Date.now }).current(
    clinic,
  )
  const { rows } = await owner.query('select wrapped_key from chartwarden_vault.log_keys where clinic = $1', [clinic])
  t.equal(seeds.length, 1)
  for (const seed of seeds) t.notOk((rows[0] as { wrapped_key: Buffer }).wrapped_key.includes(seed))
})
