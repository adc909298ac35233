/**
 * Guards the snapshot format: a service that restores what an older one wrote must make of it what folding the ledger would. Whenever the
 * text of the story below changes, snapshots of before must not be opened any more.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { type EventData, type EventType, stateChanging } from '../../../services/access/events.ts'
import { snapshotFormat } from '../../../services/access/snapshot/format.ts'
import { emptyState } from '../../../services/access/state.ts'
import { at, createClinicFold, lab, noon, patient, permission, record, role, staff } from '../../support/clinic-fold.ts'
import { plainState } from '../../support/plain-state.ts'
import { restoreAll, snapshotText } from '../../support/snapshot-text.ts'

const folder = path.join(import.meta.dirname, '../../golden/snapshots')
const file = path.join(folder, `${snapshotFormat}.ndjson`)

const [ada, ben, cleo, dora] = [staff('ada'), staff('ben'), staff('cleo'), staff('dora')]
const [north, south] = [lab('north'), lab('south')]
const day = 86_400_000
const actor = { rule: 'role/administrator#staff_account.update', subject: ada }
const ended = { grants: 1, shares: 1, relationships: 1, digest: '' }

type Told = {
  readonly [T in EventType]: readonly [type: T, data: Omit<EventData[T], 'actor'> & { readonly actor?: typeof actor }, time?: number]
}[EventType]

const period = { from: at(noon), until: at(noon + day) }
const share = { recipient: north, patient: patient('1'), actions: ['read'], purpose: 'TREAT', until: at(noon + day) }
const emergency = { subject: ben, patient: patient('1'), purpose: 'BTG', until: at(noon + day), review_due: at(noon + 3 * day) } as const
const resource = {
  resource_type: 'imaging',
  confidentiality: 'R',
  sensitivities: ['HIV', 'PSY'],
  properties: { status: 'final', parts: [1, null] },
} as const
const consent = { patient: patient('1'), resource_types: ['imaging'], purposes: ['TREAT'], decision: 'deny' } as const

/** Every state-changing type, and of each kind something that stays and something that ends. The n-th entry has the id `entry-n`. */
const story: readonly Told[] = [
  ['chartwarden.clinic.registered.v1', { title: 'Praxis', time_zone: 'Europe/Berlin', administrator: ada }],
  ['chartwarden.role.defined.v2', role('base', [permission('invoice', 'read')])],
  [
    'chartwarden.role.defined.v2',
    {
      ...role(
        'dentist',
        [
          {
            ...permission('imaging', 'read', { bounds: [{ kind: 'shared', codes: [] }], purposes: ['TREAT'] }),
            condition: 'resource.properties.status == "final"',
          },
          permission('*', '*', { id: 'never', effect: 'forbid', purposes: ['HPAYMT'] }),
        ],
        ['base'],
      ),
      clearance: { confidentiality: 'R', sensitivities: ['HIV'] },
    },
  ],
  ['chartwarden.role.defined.v2', role('gone', [permission('invoice', 'read')])],
  ['chartwarden.staff.enrolled.v1', { subject: ada, member_of: [] }],
  ['chartwarden.staff.enrolled.v1', { subject: ben, member_of: [north, south], own_patient: patient('ben') }],
  ['chartwarden.staff.enrolled.v1', { subject: cleo, member_of: [north] }],
  ['chartwarden.staff.enrolled.v1', { subject: north, member_of: [] }],
  ['chartwarden.role.granted.v1', { subject: ben, role: 'dentist', flags: [], ...period }],
  ['chartwarden.role.granted.v1', { subject: ada, role: 'dentist', flags: [], actor }],
  ['chartwarden.role.granted.v1', { subject: ben, role: 'base', flags: [] }],
  ['chartwarden.role.granted.v1', { subject: ben, role: 'gone', flags: [] }],
  ['chartwarden.role.granted.v1', { subject: cleo, role: 'dentist', flags: [] }],
  ['chartwarden.role.revoked.v1', { subject: ada, role: 'dentist', grant_ids: ['entry-9'] }],
  ['chartwarden.role.expired.v1', { subject: ben, role: 'base', grant_id: 'entry-10', until: at(noon) }],
  ['chartwarden.role.retired.v1', { role: 'gone' }],
  ['chartwarden.role.granted.v1', { subject: ada, role: 'base', flags: [] }],
  ['chartwarden.careteam.joined.v1', { subject: ben, patient: patient('1'), ...period }],
  ['chartwarden.careteam.joined.v1', { subject: ben, patient: patient('2') }],
  ['chartwarden.careteam.joined.v1', { subject: ben, patient: patient('3') }],
  ['chartwarden.careteam.joined.v1', { subject: cleo, patient: patient('1') }],
  ['chartwarden.careteam.left.v1', { subject: ben, patient: patient('2') }],
  ['chartwarden.careteam.expired.v1', { subject: ben, patient: patient('3'), until: at(noon) }],
  [
    'chartwarden.record.shared.v1',
    { ...share, resource_types: ['imaging', 'lab_report'], records: [record('imaging', '1'), record('lab_report', '1')] },
  ],
  ['chartwarden.record.shared.v1', { ...share, recipient: ben, resource_types: ['imaging'] }],
  ['chartwarden.record.shared.v1', { ...share, resource_types: ['imaging'] }],
  ['chartwarden.record.shared.v1', { ...share, patient: patient('2'), resource_types: ['imaging'] }],
  ['chartwarden.share.ended.v1', { share_id: 'entry-25' }],
  ['chartwarden.share.expired.v1', { share_id: 'entry-26', recipient: north, patient: patient('2'), until: at(noon) }],
  [
    'chartwarden.settings.changed.v1',
    {
      own_record: 'read',
      open_resource_types: ['invoice'],
      consent_to_share: ['*'],
      emergency: {
        disabled: false,
        overrides: ['consent'],
        default_minutes: 30,
        max_minutes: 60,
        review_hours: 24,
        resource_types: ['film'],
        read_actions: ['view'],
        write_actions: ['print'],
      },
    },
  ],
  ['chartwarden.subject.described.v1', { subject: ben, properties: { ward: 3, tags: ['a', 'b'], boss: null } }],
  ['chartwarden.subject.described.v1', { subject: ada, properties: {} }],
  ['chartwarden.subject.removed.v1', { subject: ada }],
  ['chartwarden.resource.described.v1', { ...resource, record: record('imaging', '1'), patient: patient('1') }],
  ['chartwarden.resource.described.v1', { ...resource, record: record('imaging', '2') }],
  ['chartwarden.resource.described.v1', { ...resource, record: record('imaging', '3') }],
  ['chartwarden.resource.removed.v1', { resource_type: 'imaging', record: record('imaging', '3') }],
  ['chartwarden.consent.recorded.v1', { ...consent, recipient: north, ...period }],
  ['chartwarden.consent.recorded.v1', { ...consent, patient: patient('2'), resource_types: [], purposes: [], decision: 'permit' }],
  ['chartwarden.consent.recorded.v1', { ...consent, decision: 'permit' }],
  ['chartwarden.consent.recorded.v1', { ...consent, purposes: [] }],
  ['chartwarden.consent.withdrawn.v1', { consent_id: 'entry-39', patient: patient('1') }],
  ['chartwarden.consent.expired.v1', { consent_id: 'entry-40', patient: patient('1'), until: at(noon) }],
  ['chartwarden.emergency.opened.v1', emergency],
  ['chartwarden.emergency.opened.v1', { ...emergency, patient: patient('2'), purpose: 'ETREAT' }],
  ['chartwarden.emergency.opened.v1', { ...emergency, subject: cleo }],
  ['chartwarden.emergency.opened.v1', { ...emergency, subject: ada }],
  ['chartwarden.emergency.closed.v1', { emergency_id: 'entry-44', subject: ben, patient: patient('2'), cause: 'closed' }, noon + 1],
  ['chartwarden.emergency.reviewed.v1', { emergency_id: 'entry-46', subject: ada, patient: patient('1'), outcome: 'justified' }],
  ['chartwarden.staff.offboarded.v1', { subject: cleo, effective: at(noon), unknown_subject: false, ended }, noon + 2],
  ['chartwarden.role.granted.v1', { subject: cleo, role: 'dentist', flags: [] }],
  ['chartwarden.staff.offboarded.v1', { subject: dora, effective: at(noon), unknown_subject: true, ended }, noon + 3],
  ['chartwarden.staff.offboarded.v1', { subject: ada, effective: at(noon), unknown_subject: false, ended }, noon + 4],
  ['chartwarden.staff.reinstated.v1', { subject: ada, member_of: [south] }],
  ['chartwarden.staff.updated.v1', { subject: ben, member_of: [south], own_patient: patient('ada') }],
  ['chartwarden.staff.updated.v1', { subject: ada, member_of: [south], own_patient: patient('ada') }],
  ['chartwarden.staff.updated.v1', { subject: ben, member_of: [north], own_patient: patient('3') }],
  ['chartwarden.emergency.opened.v1', { ...emergency, patient: patient('3') }],
  ['chartwarden.emergency.reviewed.v1', { emergency_id: 'entry-57', subject: ben, patient: patient('3'), outcome: 'unclear' }],
]

const told = () => {
  const clinic = createClinicFold()
  for (const [type, data, time] of story)
    clinic.applyAll(
      [{ type, data: type === 'chartwarden.clinic.registered.v1' ? data : { actor: { rule: 'scope/staff.write' }, ...data } }],
      time,
    )
  return clinic.state
}

const advice = `The state that the fold makes of a fixed story, or the way it is written down, has changed. Snapshots written before must not be
opened by this version, or two replicas decide differently: raise snapshotFormat in services/access/snapshot/format.ts, run this test once with
WRITE_GOLDEN=1, which writes test/golden/snapshots/<format>.ndjson, look through the difference to the file of the format before, and remove
that one. Of a format that was never released the file may be written anew without raising the number.`

t.test('the story holds every state-changing type', async (t) => {
  const types = new Set<string>(story.map(([type]) => type))
  const missing = Object.entries(stateChanging).flatMap(([type, changes]) => (changes && !types.has(type) ? [type] : []))
  t.same(missing, [], 'what is missing must be added to the story at its end')
})

t.test('the story leaves nothing in the state as it was at first', async (t) => {
  const first = emptyState()
  const state = told()
  for (const [part, value] of Object.entries(state) as [keyof typeof state, unknown][]) t.strictNotSame(value, first[part], part)
  const indexes = [state.grants, state.shares, state.directory, state.consents, state.emergencies].flatMap((part) => Object.entries(part))
  for (const [index, map] of indexes) t.ok((map as Map<string, unknown>).size > 0, index)
})

t.test('the snapshot of the story is the one of this format', async (t) => {
  const text = snapshotText(told())
  if (process.env['WRITE_GOLDEN'] === '1') writeFileSync(file, text)
  const golden = existsSync(file) ? readFileSync(file, 'utf8') : undefined
  if (text !== golden) t.fail(advice)
  t.equal(text, golden)
  t.same(readdirSync(folder), [`${snapshotFormat}.ndjson`], 'formats of the past are never opened')
})

t.test('the golden snapshot restores to the state of the story', async (t) => {
  t.strictSame(plainState(restoreAll(readFileSync(file, 'utf8')).state), plainState(told()))
})

/** Every key there is in a value, of whatever it contains. */
const keysIn = (value: unknown, place = 'state', found = new Set<string>()): Set<string> => {
  if (value instanceof Map) for (const member of value.values()) keysIn(member, `${place}[]`, found)
  else if (Array.isArray(value) || value instanceof Set) for (const member of value) keysIn(member, `${place}[]`, found)
  else if (typeof value === 'object' && value !== null && !/properties$/.test(place)) {
    for (const [name, member] of Object.entries(value)) {
      found.add(`${place}.${name}`)
      keysIn(member, `${place}.${name}`, found)
    }
  }
  return found
}

t.test('a key of the state that a snapshot leaves out is one that is worked out from the rest', async (t) => {
  const { state } = restoreAll(snapshotText(told()))
  const workedOut = /^state\.roles\.(own|coverage|effective|vocabulary|attributes)|coveredPurposes/
  const keys = (of: unknown) => [...keysIn(of)].filter((key) => !workedOut.test(key)).sort()
  t.strictSame(keys(state), keys(told()), 'every other key must be written and restored, and the format raised')
  // What a decision derives on first use stays out of the text.
  const used = told()
  used.roles.attributes = ['resource.properties.status']
  t.equal(snapshotText(used), snapshotText(told()))
})
