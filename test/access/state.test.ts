import t from 'tap'
import type { AccessEvent } from '../../services/access/events.ts'
import { emptyState, evolve, grantsHeld, grantsInForce, membershipsHeld, sharesReceived } from '../../services/access/state.ts'
import { at, createClinicFold, lab, noon, patient, permission, record, role, staff } from '../support/clinic-fold.ts'

const ada = staff('ada')
const ben = staff('ben')
const pat = patient('1')

const share = { recipient: ada, patient: pat, resource_types: ['imaging'], actions: ['read'], purpose: 'TREAT', until: at(noon + 10) }
const left = (subject: typeof ada) => ({
  subject,
  effective: at(noon),
  unknown_subject: false,
  ended: { grants: 0, shares: 0, relationships: 0, digest: '' },
})

t.test('an empty state is of no revision and no clinic', async (t) => {
  t.match(emptyState(), { revision: -1n, clinic: undefined })
})

t.test('the state revision follows state-changing entries only', async (t) => {
  const clinic = createClinicFold()
  clinic.apply('chartwarden.clinic.registered.v1', { title: 'Praxis', time_zone: 'UTC', administrator: ada })
  t.match(clinic.state, { revision: 0n, clinic: { title: 'Praxis', timeZone: 'UTC', administrator: ada } })
  clinic.apply('chartwarden.identity.introduced.v1', { kind: 'subject', type: 'staff', pseudonym: ada.pseudonym, commit: '' })
  t.equal(clinic.state.revision, 0n)
  clinic.enrol(ada)
  t.equal(clinic.state.revision, 2n)
})

t.test('an unknown type is ignored, and so is an entry folded before', async (t) => {
  const clinic = createClinicFold()
  clinic.enrol(ada)
  evolve(clinic.state, { ...clinic.last(), type: 'chartwarden.staff.praised.v1', revision: 7n } as unknown as AccessEvent)
  t.equal(clinic.state.revision, 0n)
  clinic.grant(ada, 'r')
  evolve(clinic.state, clinic.last())
  t.equal(grantsInForce(clinic.state, ada.pseudonym, noon).length, 1)
})

t.test('what a subject holds can be asked for at a moment', async (t) => {
  const clinic = createClinicFold()
  clinic.enrol(ada)
  const open = clinic.grant(ada, 'a')
  const toCome = clinic.grant(ada, 'b', { from: noon + 5, until: noon + 10 })
  clinic.grant(ada, 'c', { until: noon })
  clinic.grant(ben, 'd')
  const ids = (grants: readonly { readonly id: string }[]) => grants.map(({ id }) => id)
  t.same(ids(grantsInForce(clinic.state, ada.pseudonym, noon)), [open])
  t.same(ids(grantsInForce(clinic.state, ada.pseudonym, noon + 5)), [open, toCome])
  t.same(ids(grantsHeld(clinic.state, ada.pseudonym, noon)), [open, toCome])
  t.same(ids(grantsHeld(clinic.state, ada.pseudonym, noon + 10)), [open])
  clinic.apply('chartwarden.careteam.joined.v1', { subject: ada, patient: pat, from: at(noon + 5), until: at(noon + 10) })
  t.same(membershipsHeld(clinic.state, ada.pseudonym, noon + 9).length, 1)
  t.same(membershipsHeld(clinic.state, ada.pseudonym, noon + 10).length, 0)
  const shared = clinic.apply('chartwarden.record.shared.v1', share)
  t.same(ids(sharesReceived(clinic.state, ada.pseudonym, noon + 9)), [shared])
  t.same(ids(sharesReceived(clinic.state, ada.pseudonym, noon + 10)), [])
  for (const nobody of [staff('nobody').pseudonym]) {
    t.same(
      [grantsHeld, membershipsHeld, sharesReceived].map((held) => held(clinic.state, nobody, noon).length),
      [0, 0, 0],
    )
  }
})

t.test('a grant remembers who gave it and where it stands', async (t) => {
  const clinic = createClinicFold()
  clinic.enrol(ada)
  const data = { actor: { subject: ben, rule: 'r' }, subject: ada, role: 'a', flags: [] }
  const [id = ''] = clinic.applyAll([{ type: 'chartwarden.role.granted.v1', data }])
  t.match(clinic.state.grants.byId.get(id), { grantor: ben, revision: 1n, from: undefined, until: undefined })
})

t.test('what has ended leaves nothing behind in the state', async (t) => {
  const clinic = createClinicFold()
  clinic.enrol(ada)
  clinic.define(role('r', [permission('imaging', 'read')]))
  const grant = clinic.grant(ada, 'r')
  clinic.grant(ada, 'r')
  const [one, two] = [record('imaging', '1'), record('imaging', '2')].map((name) =>
    clinic.apply('chartwarden.record.shared.v1', { ...share, records: [name] }),
  )
  clinic.apply('chartwarden.careteam.joined.v1', { subject: ada, patient: pat })
  clinic.apply('chartwarden.role.revoked.v1', { subject: ada, role: 'r', grant_ids: [grant] })
  t.equal(clinic.state.grants.byId.size, 1)
  clinic.apply('chartwarden.role.retired.v1', { role: 'r' })
  clinic.apply('chartwarden.share.ended.v1', { share_id: one as string })
  t.equal(clinic.state.shares.byRecipient.get(ada.pseudonym)?.get(pat)?.length, 1)
  clinic.apply('chartwarden.share.ended.v1', { share_id: two as string })
  clinic.apply('chartwarden.careteam.left.v1', { subject: ada, patient: pat })
  clinic.apply('chartwarden.careteam.left.v1', { subject: ben, patient: pat })
  const { grants, shares, careTeams, roles } = clinic.state
  t.same(
    [grants.byId, grants.bySubject, shares.byId, shares.byRecipient, careTeams, roles.definitions, roles.own].map(({ size }) => size),
    [0, 0, 0, 0, 0, 0, 0],
  )
})

t.test('an offboarding ends what one person holds and raises the cut-off, never lowers it', async (t) => {
  const clinic = createClinicFold()
  for (const subject of [ada, ben]) {
    clinic.enrol(subject, [lab('l')], pat)
    clinic.grant(subject, 'r')
    clinic.apply('chartwarden.record.shared.v1', { ...share, recipient: subject })
    clinic.apply('chartwarden.careteam.joined.v1', { subject, patient: pat })
  }
  clinic.apply('chartwarden.staff.offboarded.v1', left(ada), noon + 100)
  const { grants, shares, careTeams, subjects } = clinic.state
  t.same([grants.byId.size, grants.bySubject.size, shares.byId.size, shares.byRecipient.size, careTeams.size], [1, 1, 1, 1, 1])
  t.match(subjects.get(ada.pseudonym), { status: 'offboarded', cutOff: noon + 100, known: true, ownPatient: pat, memberOf: { length: 0 } })
  t.match(subjects.get(ben.pseudonym), { status: 'active', cutOff: undefined, memberOf: [lab('l')] })
  clinic.apply('chartwarden.staff.offboarded.v1', left(ada), noon + 50)
  t.equal(subjects.get(ada.pseudonym)?.cutOff, noon + 100, 'a clock that went back')
  clinic.apply('chartwarden.staff.reinstated.v1', { subject: ada })
  t.match(subjects.get(ada.pseudonym), { status: 'active', cutOff: noon + 100, ownPatient: pat })
})

t.test('what is given to someone who left is void', async (t) => {
  const clinic = createClinicFold()
  clinic.enrol(ada)
  clinic.apply('chartwarden.staff.offboarded.v1', left(ada))
  clinic.grant(ada, 'r')
  clinic.apply('chartwarden.record.shared.v1', share)
  clinic.apply('chartwarden.careteam.joined.v1', { subject: ada, patient: pat })
  const { grants, shares, careTeams } = clinic.state
  t.same([grants.byId.size, grants.bySubject.size, shares.byId.size, shares.byRecipient.size, careTeams.size], [0, 0, 0, 0, 0])
})

t.test('no enrolment lifts an offboarding', async (t) => {
  const clinic = createClinicFold()
  clinic.apply('chartwarden.staff.offboarded.v1', { ...left(ada), unknown_subject: true })
  clinic.enrol(ada)
  t.match(clinic.state.subjects.get(ada.pseudonym), { status: 'offboarded', known: false, cutOff: noon })
})

t.test('nor a cut-off', async (t) => {
  const clinic = createClinicFold()
  clinic.apply('chartwarden.staff.offboarded.v1', left(ada))
  clinic.apply('chartwarden.staff.reinstated.v1', { subject: ada })
  clinic.enrol(ada, [lab('l')])
  t.match(clinic.state.subjects.get(ada.pseudonym), { status: 'active', known: true, cutOff: noon, memberOf: [lab('l')] })
})

t.test('times that do not parse are never in force', async (t) => {
  const clinic = createClinicFold()
  clinic.enrol(ada)
  clinic.apply('chartwarden.role.granted.v1', { subject: ada, role: 'r', flags: [], until: 'some day' })
  clinic.apply('chartwarden.role.granted.v1', { subject: ada, role: 'r', flags: [], from: 'some day' })
  clinic.apply('chartwarden.record.shared.v1', { ...share, until: 'some day' })
  t.same(grantsInForce(clinic.state, ada.pseudonym, noon), [])
  t.same(sharesReceived(clinic.state, ada.pseudonym, noon), [])
})
