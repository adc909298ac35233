/**
 * A golden file of every event version ever written: the exact bytes of one entry, in the order of one small clinic's story. A file here
 * never changes; a changed shape is a new version with a file of its own, and the old one must still decode.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { decodeEntry, isKnownType } from '../../services/access/event-codec.ts'
import { type AccessEvent, type EventType, stateChanging } from '../../services/access/events.ts'
import { emptyState, evolve } from '../../services/access/state.ts'
import { openEnvelope } from '../../services/audit/entry.ts'
import type { StoredEntry } from '../../services/audit/ledger.ts'
import { canonicalJson, type JsonValue } from '../../services/kernel/canonical-json.ts'

/** Types of the past and what they decode to. */
const upcast: Readonly<Record<string, EventType>> = { 'chartwarden.role.defined.v1': 'chartwarden.role.defined.v2' }
const typeToday = (type: string): EventType => upcast[type] ?? (type as EventType)

const folder = path.join(import.meta.dirname, '../golden/events')
const golden = readdirSync(folder)
  .sort()
  .map((file, revision): StoredEntry => {
    const bytes = readFileSync(path.join(folder, file))
    const { id, type, requestdigest } = openEnvelope(bytes)
    return {
      clinic: 'golden',
      id,
      type,
      stateChanging: stateChanging[typeToday(type)],
      requestDigest: Buffer.from(requestdigest, 'base64'),
      bytes,
      revision: BigInt(revision),
      recordedAt: 0,
    }
  })

t.test('every event type of today has a golden file, and so has every one of the past', async (t) => {
  t.same([...new Set(golden.map(({ type }) => type))].sort(), [...Object.keys(stateChanging), ...Object.keys(upcast)].sort())
})

t.test('golden bytes are canonical and decode to what they say', async (t) => {
  for (const entry of golden) {
    const envelope = openEnvelope(entry.bytes)
    t.equal(canonicalJson(envelope as unknown as JsonValue), Buffer.from(entry.bytes).toString('utf8'), entry.type)
    const event = decodeEntry(entry)
    t.equal(event?.type, typeToday(entry.type))
    t.equal(event?.time, Date.parse(envelope.time))
    t.same(event?.data, envelope.data)
  }
})

t.test('a role of version 1 is a role of today without conditions and clearance', async (t) => {
  const first = golden.find(({ type }) => type === 'chartwarden.role.defined.v1') as StoredEntry
  t.match(decodeEntry(first), { type: 'chartwarden.role.defined.v2', id: first.id, revision: first.revision })
  const state = emptyState()
  evolve(state, decodeEntry(first) as AccessEvent)
  const role = state.roles.definitions.get('dentist')
  t.notOk(role === undefined || 'clearance' in role || role.permissions.some((permission) => 'condition' in permission))
  t.equal(isKnownType(first.type), true)
})

t.test('golden entries fold to the story they tell', async (t) => {
  const state = emptyState()
  const after = new Map<string, { grants: number; shares: number; teams: number; roles: string[]; anna: string | undefined }>()
  for (const entry of golden) {
    evolve(state, decodeEntry(entry) as AccessEvent)
    after.set(entry.type, {
      grants: state.grants.byId.size,
      shares: state.shares.byId.size,
      teams: state.careTeams.size,
      roles: [...state.roles.definitions.keys()],
      anna: [...state.subjects.values()].find(({ ownPatient }) => ownPatient !== undefined)?.status,
    })
  }
  t.match(after.get('chartwarden.record.shared.v1'), { grants: 1, shares: 1, teams: 1, roles: ['dentist'], anna: 'active' })
  t.match(after.get('chartwarden.role.retired.v1'), { grants: 0, shares: 0, teams: 0, roles: { length: 0 } })
  t.match(state.roles.definitions.get('reader'), {
    clearance: { confidentiality: 'R', sensitivities: ['HIV', 'EMP'] },
    permissions: [{ condition: 'resource.properties.status == "final"' }, { effect: 'forbid' }],
  })
  t.match(state.settings, { own_record: 'read', emergency: { default_minutes: 30, max_minutes: 120, review_hours: 48 } })
  t.equal(after.get('chartwarden.staff.offboarded.v1')?.anna, 'offboarded')
  t.equal(after.get('chartwarden.staff.reinstated.v1')?.anna, 'active')
  t.equal(
    [...state.subjects.values()].find(({ ownPatient }) => ownPatient !== undefined)?.cutOff,
    Date.UTC(2026, 10, 22, 8, 0, 15),
    'the cut-off stays',
  )
  t.match([...state.subjects.values()].find(({ ownPatient }) => ownPatient !== undefined)?.memberOf, { length: 0 })
  t.same(
    [...state.employeePatients],
    ['2DbSjGYMgoC4NTBRkyDPcV8EAPQxt1Fqb6wRSfyi2IU'],
    'the patient that the update named, and not the one before',
  )
})

t.test('a golden emergency access is opened, over and no longer owed', async (t) => {
  const state = emptyState()
  const told: unknown[] = []
  for (const entry of golden) {
    evolve(state, decodeEntry(entry) as AccessEvent)
    if (entry.type.startsWith('chartwarden.emergency.')) {
      const [owed] = state.emergencies.byId.values()
      told.push([entry.type.split('.')[2], state.emergencies.openBySubject.size, owed && [owed.closed, new Date(owed.until).toISOString()]])
    }
  }
  t.same(told, [
    ['opened', 1, [false, '2026-11-22T09:00:30.000Z']],
    ['closed', 0, [true, '2026-11-22T08:00:31.000Z']],
    ['reviewed', 0, undefined],
    ['closed', 0, undefined],
  ])
})

t.test('an unknown type is not guessed at', async (t) => {
  t.equal(decodeEntry({ ...(golden[0] as StoredEntry), type: 'chartwarden.clinic.registered.v9' }), undefined)
  t.equal(decodeEntry({ ...(golden[0] as StoredEntry), type: 'toString' }), undefined)
})
