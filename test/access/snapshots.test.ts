/** What is read when a clinic is opened, which snapshots are believed, and when one is written. */
import t, { type Test } from 'tap'
import { createClinicWriters, type Transaction } from '../../services/access/clinic-writer.ts'
import { administratorDefinition } from '../../services/access/policy/administrator.ts'
import { snapshotFormat } from '../../services/access/snapshot/format.ts'
import { createMemorySnapshotStore } from '../../services/access/snapshot/memory-snapshot-store.ts'
import type { SnapshotStore, StoredSnapshot } from '../../services/access/snapshot-store.ts'
import { createSnapshots } from '../../services/access/snapshots.ts'
import type { ClinicState } from '../../services/access/state.ts'
import { createBatcher } from '../../services/audit/batcher.ts'
import { composeEntry } from '../../services/audit/compose-entry.ts'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import type { Ledger, StoredEntry } from '../../services/audit/ledger.ts'
import { createVault } from '../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../services/audit/vault/memory-key-store.ts'
import type { ClinicVault, Vault } from '../../services/audit/vault.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { fault } from '../support/fault.ts'
import { logLines } from '../support/log-lines.ts'
import { plainState } from '../support/plain-state.ts'
import { restoreAll, snapshotText } from '../support/snapshot-text.ts'
import { waitFor } from '../support/wait-for.ts'

const clinic = 'north'
const actor = { rule: 'scope/staff.write' }
const far = Number.POSITIVE_INFINITY
const every = 10

const newVault = (): Vault =>
  createVault({
    masterKey: createMasterKey(systemRandomness.bytes(32), systemRandomness),
    keyStore: createMemoryKeyStore(),
    randomness: systemRandomness,
  })

const newLedger = (): Ledger => createBatcher({ engine: createMemoryEngine({ clock: systemClock }), clock: systemClock })

/** Counts what is read of entries, and hands on everything. */
const counting = (ledger: Ledger) => {
  const read: StoredEntry[] = []
  async function* counted(entries: AsyncIterable<StoredEntry>) {
    for await (const entry of entries) {
      read.push(entry)
      yield entry
    }
  }
  const over: Ledger = {
    ...ledger,
    read: (of, from, to) => counted(ledger.read(of, from, to)),
    readState: (of, from) => counted(ledger.readState(of, from)),
  }
  return { ledger: over, read }
}

const entryOf = (keys: ClinicVault, type: string, data: object, stateChanging: boolean, of = clinic) =>
  composeEntry(keys, systemRandomness, {
    clinic: of,
    id: systemRandomness.uuid(),
    type,
    stateChanging,
    time: systemClock.wall(),
    provenance: { caller: 'test' },
    requestDigest: keys.requestDigest('one request'),
    data,
  })

/** Appends to a ledger: accesses, and people enrolled with a grant each. */
const filling = (ledger: Ledger, keys: ClinicVault, of = clinic) => {
  const subject = (id: string) => ({ type: 'staff', pseudonym: keys.pseudonym({ kind: 'subject', type: 'staff', id }) })
  const append = async (type: string, data: object, stateChanging = true) =>
    ledger.append({ clinic: of, entries: [await entryOf(keys, type, data, stateChanging, of)], restsOn: 'any' })
  return {
    subject,
    register: async () => {
      const data = { title: 'T', time_zone: 'UTC', administrator: subject('boss') }
      const registration = await entryOf(keys, 'chartwarden.clinic.registered.v1', data, true, of)
      await ledger.append({ clinic: of, entries: [registration], restsOn: -1n })
      await append('chartwarden.role.defined.v2', { actor, ...administratorDefinition })
    },
    accesses: async (count: number) => {
      for (let index = 0; index < count; index += 1) await append('chartwarden.access.recorded.v1', {}, false)
    },
    hire: async (...ids: readonly string[]) => {
      for (const id of ids) {
        await append('chartwarden.staff.enrolled.v1', { actor, subject: subject(id), member_of: [] })
        await append('chartwarden.role.granted.v1', { actor, subject: subject(id), role: 'administrator', flags: [] })
      }
    },
  }
}

const names = (count: number, prefix = 'person') => Array.from({ length: count }, (_, index) => `${prefix}-${index}`)

/** A clinic with a past that is in its snapshot; `open` starts afresh over the same ledger and store. */
const clinicWithSnapshot = async (test: Test) => {
  const inner = newLedger()
  const vault = newVault()
  const keys = await vault.createClinic(clinic)
  const { ledger, read } = counting(inner)
  const store = createMemorySnapshotStore()
  const { logger, of } = logLines()
  const fill = filling(inner, keys)
  await fill.register()
  await fill.hire(...names(20))
  await fill.accesses(50)

  const open = async (over: { ledger?: Ledger; store?: SnapshotStore; vault?: Vault; of?: string } = {}) => {
    const used = { ledger, store, vault, ...over }
    const snapshots = createSnapshots({ store: used.store, ledger: used.ledger, clock: systemClock, logger, every })
    test.teardown(() => snapshots.close())
    const writers = createClinicWriters({ ...used, snapshots, now: () => systemClock.wall(), clock: systemClock })
    return { snapshots, writer: await writers.open(over.of ?? clinic) }
  }
  const { snapshots, writer } = await open()
  await snapshots.close()
  const snapshot = store.stored.get(clinic) as StoredSnapshot
  read.length = 0
  return { inner, vault, keys, ledger, read, store, of, fill, open, writer, snapshot }
}

const withoutSnapshots = async (ledger: Ledger, vault: Vault): Promise<ClinicState> => {
  const writers = createClinicWriters({ ledger, vault, now: () => systemClock.wall(), clock: systemClock })
  return (await writers.open(clinic)).state
}

const note = (keys: ClinicVault): Transaction<null> => ({
  decide: () => null,
  notAfter: () => undefined,
  entries: async () => [await entryOf(keys, 'chartwarden.access.recorded.v1', {}, false)],
})

t.test('a clinic opens from its snapshot and reads the state-changing entries after it, however many accesses there are', async (t) => {
  const { inner, vault, read, fill, open, snapshot } = await clinicWithSnapshot(t)
  t.equal(snapshot.stateRevision, 41n)
  await fill.hire('late')
  await fill.accesses(50)
  const { writer } = await open()
  t.same(
    read.map(({ revision, type }) => [revision, type]),
    [
      [41n, 'chartwarden.role.granted.v1'],
      [92n, 'chartwarden.staff.enrolled.v1'],
      [93n, 'chartwarden.role.granted.v1'],
    ],
    'the entry the snapshot ends with, and the two after it',
  )
  t.strictSame(plainState(writer.state), plainState(await withoutSnapshots(inner, vault)))
})

t.test('without a snapshot only state-changing entries are read', async (t) => {
  const { read, open, store } = await clinicWithSnapshot(t)
  store.stored.clear()
  await open()
  t.equal(read.length, 42)
  t.ok(read.every(({ stateChanging }) => stateChanging))
})

t.test('a writer whose state came from a snapshot decides, folds and appends like any other', async (t) => {
  const { keys, fill, open } = await clinicWithSnapshot(t)
  const { writer } = await open()
  t.equal((await writer.commit(note(keys), far)).kind, 'stored')
  await fill.hire('late')
  await writer.refresh()
  t.ok(writer.state.subjects.has(fill.subject('late').pseudonym))
  t.equal((await writer.commit(note(keys), far)).kind, 'stored')
})

/** The state of the snapshot with one more grant, as an attacker would have it. */
const doctored = (state: ClinicState, keys: ClinicVault, snapshot: StoredSnapshot, fill: ReturnType<typeof filling>): string => {
  const opened = keys.openState({ clinic, ...snapshot }, snapshot.sealed) as Uint8Array
  const { anchor } = restoreAll(Buffer.from(opened).toString('utf8'))
  const mallory = fill.subject('mallory')
  const copy = restoreAll(snapshotText(state, anchor)).state
  copy.subjects.set(mallory.pseudonym, {
    reference: mallory,
    status: 'active',
    known: true,
    ownPatient: undefined,
    memberOf: [],
    cutOff: undefined,
    offboarding: undefined,
  })
  return snapshotText(copy, anchor)
}

t.test('what was not sealed for this clinic, format and revision is refused, said, and written anew', async (t) => {
  const { inner, vault, keys, read, store, of, fill, open, writer, snapshot } = await clinicWithSnapshot(t)
  const { sealed, format, stateRevision } = snapshot
  const forged = Buffer.from(doctored(writer.state, keys, snapshot, fill))
  const stranger = await newVault().createClinic(clinic)
  const south = await vault.createClinic('south')
  const flipped = (index: number) => Uint8Array.from(sealed, (byte, at) => (at === index ? byte ^ 1 : byte))
  const context = { clinic, format, stateRevision }
  const attempts: Readonly<Record<string, StoredSnapshot>> = {
    'a byte of the nonce': { ...snapshot, sealed: flipped(3) },
    'a byte of the content': { ...snapshot, sealed: flipped(sealed.length >> 1) },
    'a byte of the tag': { ...snapshot, sealed: flipped(sealed.length - 1) },
    truncated: { ...snapshot, sealed: sealed.subarray(0, sealed.length - 1) },
    'cut at its head': { ...snapshot, sealed: sealed.subarray(1) },
    'a tag alone': { ...snapshot, sealed: sealed.subarray(0, 28) },
    empty: { ...snapshot, sealed: new Uint8Array() },
    lengthened: { ...snapshot, sealed: Buffer.concat([sealed, sealed]) },
    'not sealed at all': { ...snapshot, sealed: forged },
    'an earlier revision': { ...snapshot, stateRevision: stateRevision - 1n },
    'a later revision, which nothing true could replace': { ...snapshot, stateRevision: 2n ** 60n },
    'sealed under another master key': { ...snapshot, sealed: stranger.sealState(context, forged) },
    'sealed under the key of another clinic': { ...snapshot, sealed: south.sealState(context, forged) },
    'of another clinic': { ...snapshot, sealed: south.sealState({ ...context, clinic: 'south' }, forged) },
    'of another format, renamed': { ...snapshot, sealed: keys.sealState({ ...context, format: format + 1 }, forged) },
  }
  const whole = plainState(await withoutSnapshots(inner, vault))
  for (const [name, attempt] of Object.entries(attempts)) {
    store.stored.set(clinic, attempt)
    read.length = 0
    const { snapshots, writer: opened } = await open()
    t.strictSame(plainState(opened.state), whole, name)
    t.equal(read.length, 42, `${name}: folded from the beginning`)
    t.match(of('snapshot.refused').at(-1), { clinic, refusal: 'not_authentic', level: 'error' }, name)
    await snapshots.close()
    t.equal(store.stored.get(clinic)?.stateRevision, stateRevision, `${name}: replaced`)
    read.length = 0
    await open()
    t.equal(read.length, 1, `${name}: the new one opens`)
  }
  t.equal(of('snapshot.refused').length, Object.keys(attempts).length)
  const log = JSON.stringify(of('snapshot.refused'))
  for (const { reference } of writer.state.subjects.values()) t.notOk(log.includes(reference.pseudonym))
})

t.test('another format is not even opened, and replaced although its revision is as high', async (t) => {
  const { read, store, of, open, snapshot } = await clinicWithSnapshot(t)
  store.stored.set(clinic, { ...snapshot, format: snapshotFormat + 1, stateRevision: 1_000n })
  const { snapshots } = await open()
  t.equal(read.length, 42)
  t.match(of('snapshot.refused').at(-1), { refusal: 'other_format', level: 'info' })
  await snapshots.close()
  t.match(store.stored.get(clinic), { format: snapshotFormat, stateRevision: snapshot.stateRevision })
})

t.test('sealed text that is no state is refused', async (t) => {
  const { keys, read, store, of, open, snapshot } = await clinicWithSnapshot(t)
  for (const text of ['', '[]\n', 'not json', '["subjects",{}]\n']) {
    store.stored.set(clinic, { ...snapshot, sealed: keys.sealState({ clinic, ...snapshot }, Buffer.from(text)) })
    read.length = 0
    await open()
    t.equal(read.length, 42, text)
    t.match(of('snapshot.refused').at(-1), { refusal: 'not_readable' }, text)
  }
})

t.test('an older snapshot of the clinic put back gives the state of now', async (t) => {
  const { inner, vault, fill, store, open, snapshot } = await clinicWithSnapshot(t)
  await fill.hire(...names(20, 'later'))
  const { snapshots } = await open()
  await snapshots.close()
  t.ok((store.stored.get(clinic)?.stateRevision ?? 0n) > snapshot.stateRevision)
  store.stored.set(clinic, snapshot)
  const { writer } = await open()
  t.strictSame(plainState(writer.state), plainState(await withoutSnapshots(inner, vault)))
})

/** The clinic as it would be had its ledger been restored from a backup of before the snapshot. */
const restoredBackup = async (test: Test) => {
  const given = await clinicWithSnapshot(test)
  const ledger = newLedger()
  for await (const entry of given.inner.read(clinic, 0n, 20n)) {
    await ledger.append({ clinic, entries: [entry], restsOn: entry.revision === 0n ? -1n : 'any' })
  }
  return { ...given, ledger, regrown: filling(ledger, given.keys) }
}

t.test('a snapshot ahead of the ledger stops the clinic: the ledger once held more', async (t) => {
  const { ledger, of, open, store, snapshot } = await restoredBackup(t)
  await t.rejects(open({ ledger }), new ChartwardenError('LEDGER_REGRESSED'))
  t.match(of('snapshot.refused').at(-1), { refusal: 'ahead_of_ledger', level: 'error' })
  t.equal(store.stored.get(clinic)?.stateRevision, snapshot.stateRevision, 'what shows it stays until an operator has looked')
})

t.test('so does one of a history that the ledger has lost, once it has grown past it again', async (t) => {
  const { vault, ledger, of, open, regrown, fill, store } = await restoredBackup(t)
  await regrown.hire(...names(30, 'other'))
  await t.rejects(open({ ledger }), new ChartwardenError('LEDGER_REGRESSED'))
  t.match(of('snapshot.refused').at(-1), { refusal: 'other_history', level: 'error' })
  store.stored.delete(clinic)
  const { writer } = await open({ ledger })
  t.strictSame(plainState(writer.state), plainState(await withoutSnapshots(ledger, vault)), 'without it the ledger as it is counts')
  t.notOk(writer.state.subjects.has(fill.subject('person-19').pseudonym), 'who was hired in the lost history is not known')
})

t.test('a ledger that goes backwards under a writer from a snapshot stops the clinic as ever', async (t) => {
  const { inner, open } = await clinicWithSnapshot(t)
  let backwards = false
  const { writer } = await open({
    ledger: { ...inner, head: async (of) => (backwards ? { revision: 40n, stateRevision: 40n } : inner.head(of)) },
  })
  await t.resolves(writer.refresh())
  backwards = true
  await t.rejects(writer.refresh(), fault('LEDGER_REGRESSED'))
})

t.test('a place at or before the snapshot given away again stops the clinic', async (t) => {
  const { inner, keys, open } = await clinicWithSnapshot(t)
  const { writer } = await open({
    ledger: {
      ...inner,
      append: async (append) => {
        const outcome = await inner.append(append)
        return outcome.kind === 'stored' ? { ...outcome, revisions: [41n] } : outcome
      },
    },
  })
  await t.rejects(writer.commit(note(keys), far), fault('LEDGER_REGRESSED'))
})

t.test('one is written only when more than the number set has been folded since the last', async (t) => {
  const { fill, open, store, snapshot } = await clinicWithSnapshot(t)
  const { snapshots, writer } = await open()
  await fill.hire(...names(5, 'few'))
  await writer.refresh()
  t.equal(writer.state.revision, snapshot.stateRevision + 60n)
  t.equal(store.stored.get(clinic)?.stateRevision, snapshot.stateRevision, 'ten were folded')
  await fill.hire('one more')
  await writer.refresh()
  await waitFor('a snapshot', () => store.stored.get(clinic)?.stateRevision === writer.state.revision)
  await fill.hire(...names(5, 'again'))
  await writer.refresh()
  await snapshots.close()
  t.equal(store.stored.get(clinic)?.stateRevision, writer.state.revision - 10n, 'counted from the one written')
})

t.test('decisions and folding go on while one is written; it is of one revision; a second waits for it', async (t) => {
  const { keys, fill, open, store, snapshot } = await clinicWithSnapshot(t)
  const gate = Promise.withResolvers<void>()
  const arrived = Promise.withResolvers<void>()
  const written: bigint[] = []
  let under = 0
  let most = 0
  const slow: SnapshotStore = {
    ...store,
    write: async (of, one, instead) => {
      under += 1
      most = Math.max(most, under)
      arrived.resolve()
      await gate.promise
      under -= 1
      written.push(one.stateRevision)
      return store.write(of, one, instead)
    },
  }
  const { snapshots, writer } = await open({ store: slow })
  await fill.hire(...names(8, 'a'))
  await writer.refresh()
  await arrived.promise
  const first = writer.state.revision
  t.equal((await writer.commit(note(keys), far)).kind, 'stored')
  await fill.hire(...names(8, 'b'))
  await writer.refresh()
  await fill.hire(...names(8, 'c'))
  await writer.refresh()
  t.same(written, [])
  gate.resolve()
  await waitFor('a snapshot', () => written.length === 1)
  await fill.hire('d')
  await writer.refresh()
  await waitFor('a snapshot', () => written.length === 2)
  await snapshots.close()
  t.same(written, [first, writer.state.revision])
  t.equal(most, 1)
  t.ok(first > snapshot.stateRevision)
  const { writer: again } = await open()
  t.strictSame(plainState(again.state), plainState(writer.state))
})

t.test('a store that fails costs a line in the log and nothing else', async (t) => {
  const { inner, vault, keys, fill, of, open } = await clinicWithSnapshot(t)
  const down = () => Promise.reject(new ChartwardenError('LEDGER_UNAVAILABLE', { cause: new Error('down') }))
  const { snapshots, writer } = await open({ store: { read: down, write: down } })
  t.strictSame(plainState(writer.state), plainState(await withoutSnapshots(inner, vault)))
  t.match(of('snapshot.not_read'), [{ clinic, level: 'warn' }])
  await waitFor('a snapshot', () => of('snapshot.not_written').length === 1)
  await fill.hire('late')
  await writer.refresh()
  t.equal((await writer.commit(note(keys), far)).kind, 'stored')
  await snapshots.close()
  t.equal(of('snapshot.not_written').length, 1, 'it is not tried at each entry')
})

t.test('a replica that has folded less does not replace the newer snapshot', async (t) => {
  const { ledger, fill, open, store, snapshot } = await clinicWithSnapshot(t)
  const held = Promise.withResolvers<void>()
  const lagging: SnapshotStore = {
    read: async () => undefined,
    write: async (of, one, instead) => {
      await held.promise
      return store.write(of, one, instead)
    },
  }
  const behind = await open({ store: lagging, ledger })
  await fill.hire(...names(8, 'later'))
  const ahead = await open()
  await ahead.snapshots.close()
  const newest = store.stored.get(clinic)
  t.ok(newest && newest.stateRevision > snapshot.stateRevision)
  held.resolve()
  await behind.snapshots.close()
  t.equal(store.stored.get(clinic), newest)
})

t.test('one that was refused is replaced at once, however little there is to fold', async (t) => {
  const { inner, vault, store, snapshot, ledger } = await clinicWithSnapshot(t)
  store.stored.set(clinic, { ...snapshot, format: snapshotFormat - 1 })
  const { logger } = logLines()
  const snapshots = createSnapshots({ store, ledger, clock: systemClock, logger, every: 1_000 })
  const writers = createClinicWriters({ ledger: inner, vault, snapshots, now: () => systemClock.wall(), clock: systemClock })
  await writers.open(clinic)
  await snapshots.close()
  t.equal(store.stored.get(clinic)?.format, snapshotFormat)
})

t.test('nothing is written once it is closed', async (t) => {
  const { fill, open, store, snapshot } = await clinicWithSnapshot(t)
  const { snapshots, writer } = await open()
  await snapshots.close()
  await fill.hire(...names(20, 'later'))
  await writer.refresh()
  await snapshots.close()
  t.equal(store.stored.get(clinic)?.stateRevision, snapshot.stateRevision)
})
