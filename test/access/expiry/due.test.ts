import t from 'tap'
import { endedBy, nextEnd } from '../../../services/access/expiry/due.ts'
import { at, createClinicFold, lab, noon, patient, staff } from '../../support/clinic-fold.ts'

const anna = staff('anna')
const minute = 60_000

/** A thing of each kind, each ending a minute after the one before, the first at `noon + minute`. */
const clinic = () => {
  const fold = createClinicFold()
  fold.enrol(anna)
  const [mia, until] = [patient('mia'), (minutes: number) => at(noon + minutes * minute)]
  const emergency = { subject: anna, patient: mia, purpose: 'BTG', review_due: until(9) } as const
  fold.apply('chartwarden.emergency.opened.v1', { ...emergency, until: until(1) })
  fold.apply('chartwarden.consent.recorded.v1', { patient: mia, resource_types: [], purposes: [], decision: 'permit', until: until(2) })
  const what = { resource_types: ['imaging'], actions: ['read'], purpose: 'COC' }
  fold.apply('chartwarden.record.shared.v1', { recipient: lab('l'), patient: mia, ...what, until: until(3) })
  fold.apply('chartwarden.careteam.joined.v1', { patient: mia, subject: anna, until: until(4) })
  fold.grant(anna, 'dentist', { until: noon + 5 * minute })
  // What never ends, or has been ended by an entry.
  fold.grant(anna, 'hygienist')
  fold.apply('chartwarden.careteam.joined.v1', { patient: patient('leo'), subject: anna })
  fold.apply('chartwarden.consent.recorded.v1', { patient: mia, resource_types: [], purposes: [], decision: 'deny' })
  const closed = fold.apply('chartwarden.emergency.opened.v1', { ...emergency, until: until(0) })
  fold.apply('chartwarden.emergency.closed.v1', { emergency_id: closed, subject: anna, patient: mia, cause: 'closed' })
  return fold
}

t.test('the next end is that of whatever ends next, until nothing does', async (t) => {
  const fold = clinic()
  const types: string[] = []
  for (let minutes = 1; minutes <= 5; minutes += 1) {
    const next = nextEnd(fold.state)
    t.equal(next, noon + minutes * minute)
    t.same(endedBy(fold.state, next - 1, 10), [], 'nothing has ended before it')
    const ended = endedBy(fold.state, next, 10)
    t.equal(ended.length, 1)
    types.push(...fold.applyAll(ended.map(({ event }) => event)).map(() => fold.last().type))
  }
  t.same(types, [
    'chartwarden.emergency.closed.v1',
    'chartwarden.consent.expired.v1',
    'chartwarden.share.expired.v1',
    'chartwarden.careteam.expired.v1',
    'chartwarden.role.expired.v1',
  ])
  t.equal(nextEnd(fold.state), Number.POSITIVE_INFINITY)
})

t.test('an emergency that was reviewed before anybody said that it is over is said to be over still, once', async (t) => {
  const fold = createClinicFold()
  fold.enrol(anna)
  const emergency = {
    subject: anna,
    patient: patient('mia'),
    purpose: 'BTG',
    until: at(noon + minute),
    review_due: at(noon + minute),
  } as const
  const id = fold.apply('chartwarden.emergency.opened.v1', emergency)
  const about = { emergency_id: id, subject: anna, patient: patient('mia') }
  fold.apply('chartwarden.emergency.reviewed.v1', { ...about, outcome: 'justified' }, noon + minute)
  t.equal(fold.state.emergencies.byId.size, 0, 'its review is no longer owed')
  t.equal(fold.state.emergencies.openBySubject.size, 0, 'nor is it open')
  t.equal(nextEnd(fold.state), noon + minute)
  const [over, ...others] = endedBy(fold.state, noon + minute, 10)
  t.same(over?.event.data, { ...about, actor: { rule: 'expiry' }, cause: 'expired' })
  t.equal(others.length, 0)
  fold.applyAll(over === undefined ? [] : [over.event], noon + minute)
  t.same(endedBy(fold.state, noon + minute, 10), [])
  t.equal(nextEnd(fold.state), Number.POSITIVE_INFINITY)
  t.equal(fold.state.emergencies.reviewed.size, 0)
})

t.test('one that was closed and then reviewed is not said to be over again, nor one of somebody who left', async (t) => {
  const fold = createClinicFold()
  fold.enrol(anna)
  const emergency = { subject: anna, patient: patient('mia'), purpose: 'BTG', until: at(noon), review_due: at(noon) } as const
  for (const end of ['close', 'leave'] as const) {
    const about = { emergency_id: fold.apply('chartwarden.emergency.opened.v1', emergency), subject: anna, patient: patient('mia') }
    if (end === 'close') fold.apply('chartwarden.emergency.closed.v1', { ...about, cause: 'closed' })
    fold.apply('chartwarden.emergency.reviewed.v1', { ...about, outcome: 'justified' })
  }
  const ended = { grants: 0, shares: 0, relationships: 0, digest: '' }
  t.equal(endedBy(fold.state, noon, 10).length, 1, 'the second, until its person leaves')
  fold.apply('chartwarden.staff.offboarded.v1', { subject: anna, effective: at(noon), unknown_subject: false, ended })
  t.same(endedBy(fold.state, noon, 10), [])
})

t.test('no more is handed out than asked for, and each thing has a key of its own', async (t) => {
  const { state } = clinic()
  t.equal(endedBy(state, noon + 10 * minute, 3).length, 3)
  const keys = endedBy(state, noon + 10 * minute, 10).map(({ key }) => key)
  t.equal(new Set(keys).size, 5)
})

t.test('a moment that cannot be read never ends, and hides no other', async (t) => {
  const fold = createClinicFold()
  fold.enrol(anna)
  const data = { subject: anna, role: 'a', flags: [] }
  fold.apply('chartwarden.role.granted.v1', { ...data, until: 'never' })
  fold.grant(anna, 'dentist', { until: noon })
  t.equal(nextEnd(fold.state), noon)
  t.equal(endedBy(fold.state, noon, 10).length, 1)
})
