import { hash } from 'node:crypto'
import t from 'tap'
import { compareSnapshot, type SnapshotComparisonOptions } from '../../services/access/compare-snapshot.ts'
import { decodeStateEntry } from '../../services/access/event-codec.ts'
import { snapshotFormat } from '../../services/access/snapshot/format.ts'
import { createMemorySnapshotStore } from '../../services/access/snapshot/memory-snapshot-store.ts'
import { type ClinicState, emptyState, evolve } from '../../services/access/state.ts'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import type { StoredEntry } from '../../services/audit/ledger.ts'
import { createVault } from '../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../services/audit/vault/memory-key-store.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { everyType, openWorld, writeLine } from '../support/arbitrary-ledger.ts'
import { caught } from '../support/caught.ts'
import { createLedgerScript } from '../support/ledger-script.ts'
import { snapshotText } from '../support/snapshot-text.ts'

const clinic = 'north'

/** A clinic with a past of every type, and where its snapshot is kept. */
const clinicWithPast = async () => {
  const engine = createMemoryEngine({ clock: systemClock })
  const vault = createVault({
    masterKey: createMasterKey(systemRandomness.bytes(32), systemRandomness),
    keyStore: createMemoryKeyStore(),
    randomness: systemRandomness,
  })
  const script = await createLedgerScript(engine, vault, clinic)
  const world = await openWorld(script)
  for (const [place, type] of [...everyType, ...everyType].entries())
    await writeLine(world, { type, who: place % 2, other: 0, what: place })
  await script.granted(await script.staff('ada'), 'dentist')
  const entries: StoredEntry[] = []
  for await (const entry of engine.readState(clinic, 0n)) entries.push(entry)
  const { stateRevision } = (await engine.head(clinic)) as { stateRevision: bigint }

  const folded = (upTo: bigint): ClinicState => {
    const state = emptyState()
    for (const entry of entries) if (entry.revision <= upTo) evolve(state, decodeStateEntry(entry))
    return state
  }
  const anchorAt = (revision: bigint) => {
    const { bytes } = entries.find((entry) => entry.revision === revision) as StoredEntry
    return hash('sha256', bytes, 'base64url')
  }
  const seal = (text: string, revision = stateRevision, format = snapshotFormat) => ({
    format,
    stateRevision: revision,
    sealed: script.vault.sealState({ clinic, format, stateRevision: revision }, Buffer.from(text)),
  })
  const compare = async (snapshot: Awaited<ReturnType<typeof seal>> | undefined, over: Partial<SnapshotComparisonOptions> = {}) => {
    const store = createMemorySnapshotStore()
    if (snapshot !== undefined) await store.write(clinic, snapshot)
    return compareSnapshot(clinic, script.vault, { store, ledger: engine, clock: systemClock, passed: async () => {}, ...over })
  }
  return { engine, script, entries, stateRevision, folded, anchorAt, seal, compare }
}

t.test('a snapshot of any revision is what the entries up to it give', async (t) => {
  const { entries, folded, anchorAt, seal, compare } = await clinicWithPast()
  t.same(await compare(undefined), { kind: 'none' })
  for (const { revision } of entries) {
    const snapshot = seal(snapshotText(folded(revision), anchorAt(revision)), revision)
    t.same(await compare(snapshot), { kind: 'same', stateRevision: revision })
  }
})

t.test('a snapshot that was edited does not open; one that says nothing sealed says nothing', async (t) => {
  const { stateRevision, folded, anchorAt, seal, compare } = await clinicWithPast()
  const snapshot = seal(snapshotText(folded(stateRevision), anchorAt(stateRevision)))
  for (const place of [0, 20, snapshot.sealed.length - 1]) {
    const sealed = Buffer.from(snapshot.sealed)
    sealed[place] = (sealed[place] as number) ^ 1
    t.same(await compare({ ...snapshot, sealed }), { kind: 'not_authentic', stateRevision }, `byte ${place}`)
  }
  t.same(await compare({ ...snapshot, stateRevision: stateRevision - 1n }), { kind: 'not_authentic', stateRevision: stateRevision - 1n })
  t.same(await compare({ ...snapshot, format: snapshotFormat + 1 }), { kind: 'not_authentic', stateRevision }, 'its format was edited')
  t.same(await compare(seal('not lines of JSON')), { kind: 'not_readable', stateRevision })
  t.same(await compare(seal('["names",[]]\n')), { kind: 'not_readable', stateRevision })
  t.same(await compare(seal('anything', stateRevision, snapshotFormat + 1)), { kind: 'other_format', stateRevision })
})

t.test('a snapshot sealed here that is not what the entries give is told apart', async (t) => {
  const { script, stateRevision, folded, anchorAt, seal, compare } = await clinicWithPast()
  const state = folded(stateRevision)
  const [grant] = state.grants.byId.values()
  if (grant === undefined) throw new Error('nobody holds a role')
  state.grants.byId.set(grant.id, { ...grant, role: 'administrator' })
  const forged = snapshotText(state, anchorAt(stateRevision))
  t.same(await compare(seal(forged)), { kind: 'differs', stateRevision })
  const whole = snapshotText(folded(stateRevision), anchorAt(stateRevision))
  t.same(await compare(seal(`${whole}["names",[]]\n`)), { kind: 'differs', stateRevision }, 'a line more')
  t.same(
    await compare(seal(whole.slice(0, whole.lastIndexOf('\n', whole.length - 2) + 1))),
    { kind: 'differs', stateRevision },
    'a line less',
  )
  t.same(await compare(seal(snapshotText(folded(stateRevision), 'another'))), { kind: 'other_history', stateRevision })
  const ahead = (await script.head()) + 5n
  t.same(await compare(seal(whole, ahead)), { kind: 'ahead_of_ledger', stateRevision: ahead })
  // Twin: over a ledger that gives what the snapshot says there is nothing to tell.
  t.same(await compare(seal(whole)), { kind: 'same', stateRevision })
})

t.test('a comparison that is called off ends', async (t) => {
  const { engine, entries, stateRevision, folded, anchorAt, seal, compare } = await clinicWithPast()
  const [first] = entries as [StoredEntry]
  const off = async () => {
    throw new ChartwardenError('CALL_CANCELLED')
  }
  // As many entries as are read between two looks.
  const ledger = {
    ...engine,
    async *readState() {
      for (const revision of [0n, 500n, 1_500n]) yield { ...first, revision }
    },
  }
  const snapshot = seal(snapshotText(folded(stateRevision), anchorAt(stateRevision)), 5_000n)
  t.match(await caught(compare(snapshot, { ledger, passed: off })), { reason: 'CALL_CANCELLED' })
})
