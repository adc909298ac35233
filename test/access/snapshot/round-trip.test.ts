/** A snapshot and the entries after it give what all the entries give, wherever it was made. */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { decide } from '../../../services/access/decide.ts'
import type { AccessEvent, EventType } from '../../../services/access/events.ts'
import { captureState } from '../../../services/access/snapshot/capture.ts'
import { snapshotFormat } from '../../../services/access/snapshot/format.ts'
import { serialiseState } from '../../../services/access/snapshot/serialise.ts'
import { type ClinicState, emptyState, evolve } from '../../../services/access/state.ts'
import type { Pseudonym } from '../../../services/audit/vault.ts'
import { clinicOf, type Happening, happenings, moments, requests } from '../../support/arbitrary-clinic.ts'
import { createClinicFold, noon, patient, permission, role, staff } from '../../support/clinic-fold.ts'
import { plainState } from '../../support/plain-state.ts'
import { restoreAll, snapshotText } from '../../support/snapshot-text.ts'

const people = [staff('p1'), staff('p2')]

const folded = (events: readonly AccessEvent[], state = emptyState()): ClinicState => {
  for (const event of events) evolve(state, event)
  return state
}

/** What the common stories leave out: expiry and review, of whatever entry there is. */
const endings = fc.array(
  fc.record({
    at: fc.nat(40),
    entry: fc.nat(40).map((index) => `entry-${index}`),
    type: fc.constantFrom(
      'chartwarden.role.expired.v1',
      'chartwarden.share.expired.v1',
      'chartwarden.consent.expired.v1',
      'chartwarden.emergency.reviewed.v1',
    ),
  }),
  { maxLength: 12, size: 'max' },
)

const withEndings = (story: readonly Happening[], more: readonly { at: number; entry: string; type: EventType }[]): readonly Happening[] =>
  more.reduce<readonly Happening[]>((events, { at: place, entry, type }) => {
    const ids = { grant_id: entry, share_id: entry, consent_id: entry, emergency_id: entry }
    const happen: Happening['happen'] = (clinic) =>
      void clinic.applyAll(
        people.map((subject) => ({ type, data: { ...ids, subject, patient: patient('a'), until: '', actor: { rule: '' } } })),
      )
    return events.toSpliced(place, 0, { name: `${type} ${entry}`, happen })
  }, story)

const equal = (left: ClinicState, right: ClinicState): boolean => isDeepStrictEqual(plainState(left), plainState(right))

t.test('a snapshot and the rest of the story equal the whole story, in state and in every answer', async (t) => {
  let changed = 0
  const questions = fc.array(requests, { minLength: 4, maxLength: 4 })
  fc.assert(
    fc.property(happenings(), endings, fc.nat(60), questions, moments, (story, more, cut, asked, now) => {
      const { events } = clinicOf(withEndings(story, more))
      const before = folded(events.slice(0, cut))
      const { state } = restoreAll(snapshotText(before))
      if (!equal(state, before)) return false
      if (cut < events.length) changed += 1
      const [continued, whole] = [folded(events.slice(cut), state), folded(events)]
      return (
        equal(continued, whole) && asked.every((request) => isDeepStrictEqual(decide(continued, request, now), decide(whole, request, now)))
      )
    }),
    { numRuns: 1_000 },
  )
  t.ok(changed > 200, `${changed} stories went on after their snapshot`)
})

t.test('folding the same story twice gives the same state and the same text', async () => {
  fc.assert(
    fc.property(happenings(), (story) => {
      const { events } = clinicOf(story)
      const [once, again] = [folded(events), folded(events)]
      return equal(once, again) && snapshotText(once) === snapshotText(again)
    }),
    { numRuns: 300 },
  )
})

t.test('a snapshot of a restored state is the same snapshot', async () => {
  fc.assert(
    fc.property(happenings(), (story) => {
      const text = snapshotText(clinicOf(story).state)
      return snapshotText(restoreAll(text).state) === text
    }),
    { numRuns: 300 },
  )
})

t.test('a time that does not parse is restored as one: it must not become an open end', async (t) => {
  const clinic = createClinicFold()
  const ada = staff('ada')
  clinic.define(role('reader', [permission('imaging', 'read')]))
  clinic.enrol(ada)
  clinic.apply('chartwarden.role.granted.v1', { subject: ada, role: 'reader', flags: [], until: 'some day' })
  clinic.apply('chartwarden.careteam.joined.v1', { subject: ada, patient: patient('1'), from: 'once', until: 'some day' })
  clinic.apply('chartwarden.consent.recorded.v1', {
    patient: patient('1'),
    resource_types: [],
    purposes: [],
    decision: 'permit',
    until: 'some day',
  })
  clinic.apply(
    'chartwarden.staff.offboarded.v1',
    {
      subject: staff('ben'),
      effective: '',
      unknown_subject: true,
      ended: { grants: 0, shares: 0, relationships: 0, digest: '' },
    },
    Number.NaN,
  )
  const { state } = restoreAll(snapshotText(clinic.state))
  t.ok(equal(state, clinic.state))
  t.ok(Number.isNaN([...state.grants.byId.values()][0]?.until))
  t.ok(Number.isNaN(state.subjects.get(staff('ben').pseudonym)?.cutOff))
})

t.test('whatever properties and names are made of survives', async (t) => {
  const clinic = createClinicFold()
  const hostile = JSON.parse('{"__proto__":{"a":1},"constructor":null,"line\\nbreak":"\\ud800","":[1.5,-1e300,true,{"deep":[]}]}')
  clinic.enrol(staff('ada'))
  clinic.apply('chartwarden.subject.described.v1', { subject: staff('ada'), properties: hostile })
  clinic.apply('chartwarden.resource.described.v1', {
    resource_type: '__proto__',
    record: 'toString' as Pseudonym,
    confidentiality: 'N',
    sensitivities: ['line\nbreak', ''],
    properties: hostile,
  })
  clinic.define(role('', [permission('a\nb', '"')]))
  const { state } = restoreAll(Buffer.from(snapshotText(clinic.state), 'utf8').toString('utf8'))
  t.ok(isDeepStrictEqual(state.directory, clinic.state.directory))
  t.ok(equal(state, clinic.state))
})

t.test('a snapshot is of the moment it was captured at, however the state goes on while it is written', async (t) => {
  const clinic = createClinicFold()
  const people = Array.from({ length: 1_200 }, (_, index) => staff(`${index}`))
  for (const person of people) {
    clinic.enrol(person)
    clinic.grant(person, 'reader')
  }
  const expected = snapshotText(clinic.state)
  const pieces = serialiseState(captureState(clinic.state), 'anchor')
  const written = [pieces.next().value]
  let index = 0
  for (const piece of pieces) {
    written.push(piece)
    clinic.apply('chartwarden.staff.offboarded.v1', {
      subject: people[index] as (typeof people)[number],
      effective: '',
      unknown_subject: false,
      ended: { grants: 1, shares: 0, relationships: 0, digest: '' },
    })
    clinic.grant(people[1_199 - index] as (typeof people)[number], 'writer')
    index += 1
  }
  t.ok(index > 5, 'it was written in pieces')
  t.ok(written.join('') === expected)
  t.ok(
    decide(
      clinic.state,
      { subject: people[0] as (typeof people)[number], resourceType: 'x', action: 'y', purpose: undefined, supportedObligations: 'any' },
      noon,
    ).decision === 'deny',
  )
})

t.test('what was not made by this version is refused', async (t) => {
  const clinic = createClinicFold()
  clinic.enrol(staff('ada'))
  const text = snapshotText(clinic.state)
  t.doesNotThrow(() => restoreAll(text))
  const wrong = [
    '',
    text.slice(0, -1),
    text.replace(`"format":${snapshotFormat}`, `"format":${snapshotFormat + 1}`),
    text.replace('["subjects"', '["people"'),
    text.replace('["subjects"', '["__proto__"'),
    text.split('\n').slice(1).join('\n'),
    text
      .split('\n')
      .filter((one) => !one.startsWith('["references"'))
      .join('\n'),
    `${text}{`,
    `${text}{\n`,
  ]
  for (const one of wrong) t.throws(() => restoreAll(one), JSON.stringify(one.slice(0, 40)))
})
