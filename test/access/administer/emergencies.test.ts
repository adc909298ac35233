import t from 'tap'
import type { AdministrativeCommand, Change } from '../../../services/access/administer/commands.ts'
import { type Actor, administer, stillHolds } from '../../../services/access/administer.ts'
import type { AccessEvent } from '../../../services/access/events.ts'
import { type ClinicFold, createClinicFold, noon, patient, permission, role, staff } from '../../support/clinic-fold.ts'

const minute = 60_000
const [anna, ben, boss] = [staff('anna'), staff('ben'), staff('boss')]
const software: Actor = { scope: 'emergency.use' }

/** Anna may open emergency access for ten minutes more; the boss may review. */
const clinic = (): ClinicFold => {
  const fold = createClinicFold()
  fold.apply('chartwarden.clinic.registered.v1', { title: 'T', time_zone: 'UTC', administrator: boss })
  fold.define(role('opener', [permission('emergency_access', 'open')]))
  fold.define(role('reviewer', [permission('emergency_access', 'review')]))
  for (const person of [anna, ben, boss]) fold.enrol(person)
  fold.grant(anna, 'opener', { until: noon + 10 * minute })
  fold.grant(boss, 'reviewer')
  return fold
}

const opening = (minutes: number): AdministrativeCommand => ({
  kind: 'open_emergency',
  subject: anna,
  patient: patient('mia'),
  purpose: 'BTG',
  minutes,
})

/** What became of a command: what it wrote, or why it wrote nothing. */
const outcome = (fold: ClinicFold, command: AdministrativeCommand, actor: Actor, now: number): string => {
  const result = administer(fold.state, command, actor, now)
  if (result.kind === 'change') return `${result.events[0]?.type}`
  if (result.kind === 'refused') return `refused ${result.decision.reasonCode}`
  return result.kind === 'error' ? result.reason : result.kind
}

const apply = (fold: ClinicFold, command: AdministrativeCommand, actor: Actor, now: number): AccessEvent => {
  const result = administer(fold.state, command, actor, now)
  if (result.kind !== 'change') throw new Error(`expected a change: ${JSON.stringify(result)}`)
  fold.applyAll((result as Change).events, now)
  return fold.last()
}

t.test('the opening rests on the person’s role and not on who calls, and is not stored after that role has ended', async (t) => {
  const fold = clinic()
  const result = administer(fold.state, opening(0), software, noon)
  t.match(result, { kind: 'change', notAfter: noon + 10 * minute, events: [{ data: { actor: { subject: anna } } }] })
  t.equal(outcome(fold, opening(0), { scope: 'emergency.use', subject: boss }, noon), 'chartwarden.emergency.opened.v1')
  t.equal(outcome(fold, opening(0), software, noon + 10 * minute), 'refused no_grant')
  t.equal(
    outcome(fold, { ...opening(0), subject: ben } as AdministrativeCommand, { scope: 'emergency.use', subject: anna }, noon),
    'refused no_grant',
  )
})

t.test('minutes, end and review are what the clinic settled, and a review is never due before the end', async (t) => {
  const fold = clinic()
  const opened = (minutes: number) => apply(fold, opening(minutes), software, noon).data
  t.match(opened(0), { until: new Date(noon + 60 * minute).toISOString(), review_due: new Date(noon + 72 * 60 * minute).toISOString() })
  t.match(opened(240), { until: new Date(noon + 240 * minute).toISOString() })
  t.equal(outcome(fold, opening(241), software, noon), 'INVALID_ARGUMENT')
  const emergency = { ...fold.state.settings.emergency, max_minutes: 120, review_hours: 1 }
  fold.apply('chartwarden.settings.changed.v1', { ...fold.state.settings, emergency })
  const late = new Date(noon + 120 * minute).toISOString()
  t.match(opened(120), { until: late, review_due: late })
})

t.test('closing needs standing and a sign-in, and for one’s own nothing else', async (t) => {
  const fold = clinic()
  const { id } = apply(fold, opening(5), software, noon)
  const close: AdministrativeCommand = { kind: 'close_emergency', emergencyId: id }
  const as = (subject: typeof anna): Actor => ({ scope: 'emergency.use', subject })
  const closed = 'chartwarden.emergency.closed.v1'
  t.equal(outcome(fold, close, as(ben), noon), 'refused no_grant')
  t.equal(outcome(fold, close, as(staff('nobody')), noon), 'refused unknown_subject')
  for (const actor of [as(anna), as(boss), software]) t.equal(outcome(fold, close, actor, noon + 5 * minute - 1), closed)
  t.equal(outcome(fold, close, as(anna), noon + 5 * minute), 'EMERGENCY_OVER')
  fold.define(role('forbidder', [permission('emergency_access', 'review', { effect: 'forbid' })]))
  fold.grant(anna, 'forbidder')
  t.equal(outcome(fold, close, as(anna), noon), closed, 'who may never review may end what is their own')
  fold.apply('chartwarden.staff.offboarded.v1', {
    subject: anna,
    effective: new Date(noon).toISOString(),
    unknown_subject: false,
    ended: { grants: 0, shares: 0, relationships: 0, digest: '' },
  })
  t.equal(outcome(fold, close, as(anna), noon), 'refused offboarded')
  t.equal(outcome(fold, close, software, noon), 'EMERGENCY_OVER', 'it ended with the offboarding')
})

t.test('a review comes after the end, from a person, from another one, once', async (t) => {
  const fold = clinic()
  const { id } = apply(fold, opening(5), software, noon)
  const over = noon + 5 * minute
  const review: AdministrativeCommand = { kind: 'review_emergency', emergencyId: id, outcome: 'unclear' }
  const as = (subject: typeof anna): Actor => ({ scope: 'emergency.review', subject })
  fold.grant(anna, 'reviewer')
  t.equal(outcome(fold, review, { scope: 'emergency.review' }, over), 'PERSON_REQUIRED')
  t.equal(outcome(fold, review, as(boss), over - 1), 'EMERGENCY_OPEN')
  t.equal(outcome(fold, review, as(anna), over), 'SELF_REVIEW')
  t.equal(outcome(fold, review, as(ben), over), 'refused no_grant')
  const reviewed = apply(fold, review, as(boss), over)
  t.match(reviewed.data, { outcome: 'unclear', subject: anna, patient: patient('mia') })
  t.equal(outcome(fold, review, as(boss), over), 'EMERGENCY_UNKNOWN')
  t.equal(stillHolds(fold.state, review, reviewed, over), true, 'but a repeat of the same request is answered')
  const close: AdministrativeCommand = { kind: 'close_emergency', emergencyId: id }
  t.equal(outcome(fold, close, as(anna), over), 'EMERGENCY_UNKNOWN', 'and so is one of its end, whoever it was of')
})

t.test('a repeated opening holds while it is open and the clinic allows it', async (t) => {
  const fold = clinic()
  const command = opening(5)
  const opened = apply(fold, command, software, noon)
  const holds = (now: number): boolean => stillHolds(fold.state, command, opened, now)
  t.same([holds(noon), holds(noon + 5 * minute - 1), holds(noon + 5 * minute)], [true, true, false])
  fold.apply('chartwarden.settings.changed.v1', { ...fold.state.settings, emergency: { ...fold.state.settings.emergency, disabled: true } })
  t.equal(holds(noon), false)
})
