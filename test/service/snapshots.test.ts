/**
 * A service that starts again takes a clinic's state from its snapshot. Whoever owns the database can change that row; a state that the
 * ledger does not give must not come of it. Each attack has a twin: the same attack on a service whose vault believes what it reads.
 */
import { hash } from 'node:crypto'
import t, { type Test } from 'tap'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { decodeEntry } from '../../services/access/event-codec.ts'
import type { AccessEvent } from '../../services/access/events.ts'
import { snapshotFormat } from '../../services/access/snapshot/format.ts'
import { type ClinicState, emptyState, evolve } from '../../services/access/state.ts'
import { storedEntry } from '../../services/audit/engines/postgres/entry-rows.ts'
import type { Ledger } from '../../services/audit/ledger.ts'
import { createVault } from '../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../services/audit/vault/memory-key-store.ts'
import type { ClinicVault, Vault } from '../../services/audit/vault.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { newClinic } from '../support/ledger-entries.ts'
import { logLines } from '../support/log-lines.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { openPool } from '../support/postgres-engine.ts'
import { scratchDirectory, startTestService, type TestServiceOptions } from '../support/service.ts'
import { restoreAll, snapshotText } from '../support/snapshot-text.ts'
import { waitFor } from '../support/wait-for.ts'

const snapshotEvery = 12

/** What a ledger was asked for of one clinic. */
interface Readings {
  readonly stateFrom: bigint[]
  readonly entries: bigint[]
}

/** Notes what is read of a clinic's ledger. */
const noting =
  (clinic: string, { stateFrom, entries }: Readings) =>
  (ledger: Ledger): Ledger => ({
    ...ledger,
    async *readState(of, from) {
      if (of === clinic) stateFrom.push(from)
      for await (const entry of ledger.readState(of, from)) {
        if (of === clinic) entries.push(entry.revision)
        yield entry
      }
    },
    async *read(of, from, to) {
      for await (const entry of ledger.read(of, from, to)) {
        if (of === clinic) entries.push(entry.revision)
        yield entry
      }
    },
  })

/** A vault whose clinics read and write states in a way of their own. */
const withStates =
  (over: (keys: ClinicVault, clinic: string) => Partial<ClinicVault>) =>
  (vault: Vault): Vault => ({
    clinic: async (clinic) => {
      const keys = await vault.clinic(clinic)
      return keys && { ...keys, ...over(keys, clinic) }
    },
    createClinic: async (clinic) => {
      const keys = await vault.createClinic(clinic)
      return { ...keys, ...over(keys, clinic) }
    },
  })

/** A database and what its owner sees and does. */
const databaseWithSnapshots = async (test: Test) => {
  const database = await createTestDatabase(test)
  const stateDir = scratchDirectory(test, 'service')
  const superuser = openPool(test, database.adminUrl)
  const start = async (over: Partial<TestServiceOptions> = {}) => startTestService(test, { database, stateDir, snapshotEvery, ...over })
  const stored = async (clinic: string) => {
    const { rows } = await superuser.query<{ state_revision: string; sealed: Buffer }>(
      'select state_revision, sealed from chartwarden_snapshot.states where clinic = $1',
      [clinic],
    )
    return rows[0] && { stateRevision: BigInt(rows[0].state_revision), sealed: rows[0].sealed }
  }
  /** A clinic of some people, of whom the porter may open nothing, and its snapshot. */
  const clinicWithSnapshot = async (over: Partial<TestServiceOptions> = {}) => {
    const service = await start(over)
    const clinic = newClinic('north')
    const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
    await registerTestClinic(clients, clinic)
    await clients.policy.putRole({ requestId: systemRandomness.uuid(), clinic, role: { role: 'porters', title: 'Porter' } })
    await hire(clients, clinic, 'ada')
    await hire(clients, clinic, 'porter', 'porters')
    for (let index = 0; index < 4; index += 1) await hire(clients, clinic, `person-${index}`)
    await waitFor('a snapshot', async () => (await stored(clinic)) !== undefined)
    await service.stop()
    const snapshot = await stored(clinic)
    if (snapshot === undefined) throw new Error('the snapshot is gone')
    return { clinic, snapshot }
  }
  /** Asks a service started for this alone. */
  const ask = async (clinic: string, over: Partial<TestServiceOptions>, ...people: readonly string[]) => {
    const service = await start(over)
    const { access } = clientsOf(service, await service.token({ clinics: [clinic] }))
    const answers: string[] = []
    for (const person of people) answers.push(Decision[(await access.check(readRecord(clinic, person))).decision] as string)
    await service.stop()
    return answers
  }
  return { superuser, start, stored, clinicWithSnapshot, ask }
}

const { superuser, start, stored, clinicWithSnapshot, ask } = await databaseWithSnapshots(t)

t.test('a service that starts again reads the entries after the snapshot only, and so does each replica', async (t) => {
  const { clinic, snapshot } = await clinicWithSnapshot()
  const readings: Readings = { stateFrom: [], entries: [] }
  const over = { decorateLedger: noting(clinic, readings) }
  const replicas = [await start(over), await start(over)]
  for (const replica of replicas) {
    const clients = clientsOf(replica, await replica.token({ clinics: [clinic] }))
    for (const [person, expected] of [
      ['ada', Decision.PERMIT],
      ['person-3', Decision.PERMIT],
      ['porter', Decision.DENY],
    ] as const) {
      t.equal((await clients.access.check(readRecord(clinic, person))).decision, expected, person)
    }
  }
  t.ok(readings.entries.length > 0)
  t.ok(
    readings.entries.every((revision) => revision >= snapshot.stateRevision),
    'nothing before the snapshot is read',
  )
  t.ok(readings.stateFrom.every((from) => from > snapshot.stateRevision))
  const [first, second] = replicas as [(typeof replicas)[0], (typeof replicas)[0]]
  const clients = clientsOf(first, await first.token({ clinics: [clinic] }))
  await clients.people.offboard({ requestId: systemRandomness.uuid(), clinic, subject: staff('ada'), reason: 'left' })
  const elsewhere = clientsOf(second, await second.token({ clinics: [clinic] }))
  t.equal((await elsewhere.access.check(readRecord(clinic, 'ada'))).decision, Decision.DENY, 'one order, snapshot or not')
  for (const replica of replicas) await replica.stop()
  t.same(await ask(clinic, {}, 'ada', 'person-0'), ['DENY', 'PERMIT'])
})

t.test('an erased identity keeps its place in the state: what it held, and what bars it', async (t) => {
  const { clinic, snapshot } = await clinicWithSnapshot()
  const { rowCount } = await superuser.query(
    'update chartwarden_vault.identity_keys set wrapped_key = null, destroyed_at = now() where clinic = $1',
    [clinic],
  )
  t.ok((rowCount ?? 0) > 4)
  const readings: Readings = { stateFrom: [], entries: [] }
  t.same(await ask(clinic, { decorateLedger: noting(clinic, readings) }, 'ada', 'porter'), ['PERMIT', 'DENY'])
  t.ok(
    readings.stateFrom.every((from) => from > snapshot.stateRevision),
    'the snapshot was opened',
  )
})

/** What the owner of the database can work out: the snapshot's text before it was sealed, pseudonyms and all. */
const guessedText = async (
  superuser: ReturnType<typeof openPool>,
  clinic: string,
  sealedAt: bigint,
): Promise<{ text: string; state: ClinicState }> => {
  const { rows } = await superuser.query(
    'select * from chartwarden_ledger.entries where clinic = $1 and state_changing and revision <= $2 order by revision',
    [clinic, `${sealedAt}`],
  )
  const state = emptyState()
  for (const row of rows) evolve(state, decodeEntry(storedEntry(row)) as AccessEvent)

  return { text: snapshotText(state, hash('sha256', rows.at(-1).bytes, 'base64url')), state }
}

const nonce = 12
const tag = 16

/** Keeps states as they are, where nonce and tag would stand. */
const openly = withStates(() => ({
  sealState: (_, bytes) => Buffer.concat([Buffer.alloc(nonce), bytes, Buffer.alloc(tag)]),
  openState: (_, sealed) => sealed.subarray(nonce, sealed.length - tag),
}))

for (const { name, over, expected } of [
  { name: 'bits of a snapshot turned, so that a porter holds the dentists’ role, give a porter nothing', over: {}, expected: 'DENY' },
  { name: 'the twin: a vault that believes what it reads makes the porter a dentist', over: { decorateVault: openly }, expected: 'PERMIT' },
]) {
  t.test(name, async (t) => {
    const { clinic, snapshot } = await clinicWithSnapshot(over)
    const { text } = await guessedText(superuser, clinic, snapshot.stateRevision)
    t.equal(snapshot.sealed.length, nonce + text.length + tag, 'the text is known to whoever has the ledger')
    // The cipher is a stream: what is turned in it is turned in the text. Only the tag is in the way.
    const wanted = text.replace('"dentist","porters"]', '"dentist","dentist"]')
    t.ok(wanted !== text, 'the name of one role is turned into that of another')
    const edited = Buffer.from(snapshot.sealed)
    for (let index = 0; index < text.length; index += 1) {
      edited[nonce + index] = (edited[nonce + index] as number) ^ text.charCodeAt(index) ^ wanted.charCodeAt(index)
    }
    await superuser.query('update chartwarden_snapshot.states set sealed = $2 where clinic = $1', [clinic, edited])
    const { logger, of } = logLines()
    t.same(await ask(clinic, { ...over, logger }, 'porter', 'ada'), [expected, 'PERMIT'])
    t.equal(of('snapshot.refused').length > 0, expected === 'DENY')
    if (expected === 'DENY') t.ok((await stored(clinic))?.sealed.equals(edited) === false, 'a true one took its place')
  })
}

/** Keys that the attacker has: of a master key and a clinic of the attacker's own. */
const attackersKeys = async (clinic: string): Promise<ClinicVault> =>
  createVault({
    masterKey: createMasterKey(systemRandomness.bytes(32), systemRandomness),
    keyStore: createMemoryKeyStore(),
    randomness: systemRandomness,
  }).createClinic(clinic)

for (const { name, fooled, expected } of [
  { name: 'a snapshot with one grant more, well formed and sealed under other keys, gives nothing', fooled: false, expected: 'DENY' },
  { name: 'the twin: a vault that opens it with those keys makes the porter a dentist', fooled: true, expected: 'PERMIT' },
]) {
  t.test(name, async (t) => {
    const { clinic, snapshot } = await clinicWithSnapshot()
    const { text, state } = await guessedText(superuser, clinic, snapshot.stateRevision)
    const { anchor } = restoreAll(text)
    const porter = [...state.grants.byId.values()].find(({ role }) => role === 'porters')
    if (porter === undefined) throw new Error('there is no porter')
    const grant = { ...porter, id: systemRandomness.uuid(), role: 'dentist' }
    state.grants.byId.set(grant.id, grant)
    state.grants.bySubject.get(porter.subject.pseudonym)?.push(grant)
    const keys = await attackersKeys(clinic)
    const { stateRevision } = snapshot
    const sealed = keys.sealState({ clinic, format: snapshotFormat, stateRevision }, Buffer.from(snapshotText(state, anchor)))
    await superuser.query('update chartwarden_snapshot.states set sealed = $2 where clinic = $1', [clinic, sealed])
    const over = fooled ? { decorateVault: withStates(() => ({ openState: keys.openState })) } : {}
    const { logger, of } = logLines()
    t.same(await ask(clinic, { ...over, logger }, 'porter', 'ada'), [expected, 'PERMIT'])
    t.equal(
      of('snapshot.refused').some(({ refusal, clinic: named }) => refusal === 'not_authentic' && named === clinic),
      !fooled,
    )
  })
}

t.test('the row of another clinic, copied, gives nothing', async (t) => {
  const [north, south] = [await clinicWithSnapshot(), await clinicWithSnapshot()]
  t.equal(north.snapshot.stateRevision, south.snapshot.stateRevision)
  await superuser.query(
    `update chartwarden_snapshot.states n set sealed = s.sealed from chartwarden_snapshot.states s where n.clinic = $1 and s.clinic = $2`,
    [north.clinic, south.clinic],
  )
  const { logger, of } = logLines()
  t.same(await ask(north.clinic, { logger }, 'porter', 'ada'), ['DENY', 'PERMIT'])
  t.ok(of('snapshot.refused').some(({ refusal }) => refusal === 'not_authentic'))
})
