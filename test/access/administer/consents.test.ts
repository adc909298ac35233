import t from 'tap'
import type { Change, RecordConsent, ShareRecord } from '../../../services/access/administer/commands.ts'
import { type AdministrativeCommand, administer, stillHolds } from '../../../services/access/administer.ts'
import type { AccessEvent, SubjectReference } from '../../../services/access/events.ts'
import { defaultSettings } from '../../../services/access/state/settings.ts'
import { type ClinicFold, createClinicFold, lab, noon, patient, permission, role, staff } from '../../support/clinic-fold.ts'

const anna = staff('anna')
const theLab = lab('1')
const minute = 60_000

const aClinic = (consentToShare: readonly string[] = []): ClinicFold => {
  const clinic = createClinicFold()
  clinic.apply('chartwarden.clinic.registered.v1', { title: 'Clinic', time_zone: 'UTC', administrator: anna })
  clinic.enrol(anna)
  clinic.define(role('sharer', [permission('imaging', 'share'), permission('lab_report', 'share')]))
  clinic.grant(anna, 'sharer')
  clinic.apply('chartwarden.settings.changed.v1', { ...defaultSettings, consent_to_share: consentToShare })
  return clinic
}

const outcome = (clinic: ClinicFold, command: AdministrativeCommand, subject?: SubjectReference, now = noon) =>
  administer(clinic.state, command, { scope: 'relationship.write', ...(subject === undefined ? {} : { subject }) }, now)

const carryOut = (clinic: ClinicFold, command: AdministrativeCommand): AccessEvent => {
  const planned = outcome(clinic, command)
  if (planned.kind !== 'change') throw new Error(JSON.stringify(planned))
  clinic.applyAll(planned.events)
  return clinic.last()
}

const directive = (over: Partial<RecordConsent> = {}): RecordConsent => ({
  kind: 'record_consent',
  patient: patient('1'),
  resourceTypes: [],
  purposes: [],
  decision: 'deny',
  ...over,
})

const share = (over: Partial<ShareRecord> = {}): ShareRecord => ({
  kind: 'share_record',
  recipient: theLab,
  patient: patient('1'),
  resourceTypes: ['imaging'],
  actions: ['read'],
  purpose: 'COC',
  until: noon + 60 * minute,
  supportedObligations: new Set(),
  ...over,
})

t.test('a directive is recorded for whom it names, and withdrawn while it is not over', async (t) => {
  const clinic = aClinic()
  const command = directive({ recipient: theLab, purposes: ['TREAT'], resourceTypes: ['imaging'], until: noon + minute })
  const recorded = carryOut(clinic, command)
  t.match(recorded.data, { recipient: theLab, purposes: ['TREAT'], resource_types: ['imaging'], decision: 'deny', until: /:01:00/ })
  t.equal('from' in recorded.data, false, 'from the entry on')
  t.ok(stillHolds(clinic.state, command, recorded, noon))
  t.ok(stillHolds(clinic.state, command, recorded, noon + minute - 1))
  t.notOk(stillHolds(clinic.state, command, recorded, noon + minute))
  const withdrawal = { kind: 'withdraw_consent', consentId: recorded.id } as const
  t.match(outcome(clinic, withdrawal, undefined, noon + minute), { kind: 'error', reason: 'CONSENT_UNKNOWN' })
  const withdrawn = carryOut(clinic, withdrawal)
  t.match(withdrawn.data, { patient: patient('1'), consent_id: recorded.id })
  t.ok(stillHolds(clinic.state, withdrawal, withdrawn, noon))
  t.notOk(stillHolds(clinic.state, command, recorded, noon))
  t.match(outcome(clinic, withdrawal), { kind: 'error', reason: 'CONSENT_UNKNOWN' })
  t.equal((outcome(clinic, command) as Change).notAfter, noon + minute, 'it is not stored once it is over')
})

t.test('a refusal about the recipient outweighs the right to share', async (t) => {
  const clinic = aClinic()
  const refusal = carryOut(clinic, directive({ recipient: theLab, resourceTypes: ['lab_report'] }))
  t.equal(outcome(clinic, share(), anna).kind, 'change')
  const refused = outcome(clinic, share({ resourceTypes: ['imaging', 'lab_report'] }), anna)
  t.match(refused, {
    kind: 'refused',
    resourceType: 'lab_report',
    action: 'share',
    patient: patient('1'),
    purpose: 'COC',
    decision: {
      decision: 'deny',
      reasonCode: 'consent_denied',
      rule: `consent/${refusal.id}`,
      obligations: { length: 0 },
      roles: ['sharer'],
    },
  })
  t.match(
    outcome(clinic, share({ resourceTypes: ['lab_report'] })),
    {
      kind: 'refused',
      decision: { reasonCode: 'consent_denied', roles: { length: 0 } },
    },
    'for software alone too',
  )
  t.match(
    outcome(clinic, share({ resourceTypes: ['lab_report'] }), staff('stranger')),
    { kind: 'refused', decision: { reasonCode: 'unknown_subject' } },
    'the own right is decided first',
  )
})

t.test('an organisation of the recipient counts', async (t) => {
  const clinic = aClinic()
  const tech = staff('tech')
  clinic.enrol(tech, [theLab])
  carryOut(clinic, directive({ recipient: theLab }))
  t.equal(outcome(clinic, share({ recipient: tech })).kind, 'refused')
  carryOut(clinic, directive({ recipient: tech, decision: 'permit' }))
  t.equal(outcome(clinic, share({ recipient: tech })).kind, 'change')
})

t.test('a consent that is demanded bounds how long the command may wait', async (t) => {
  const clinic = aClinic(['imaging'])
  t.match(outcome(clinic, share(), anna), { kind: 'refused', decision: { reasonCode: 'consent_required', rule: '' } })
  t.equal(outcome(clinic, share({ recipient: anna })).kind, 'change', 'the clinic’s own are no third party')
  t.equal(outcome(clinic, share({ resourceTypes: ['lab_report'] })).kind, 'change', 'another type is not meant')
  carryOut(clinic, directive({ recipient: theLab, decision: 'permit', until: noon + 5 * minute }))
  t.equal((outcome(clinic, share(), anna) as Change).notAfter, noon + 5 * minute)
  t.equal((outcome(clinic, share()) as Change).notAfter, noon + 5 * minute)
  t.equal((outcome(clinic, share({ until: noon + minute })) as Change).notAfter, noon + minute)
  t.equal(outcome(clinic, share(), anna, noon + 5 * minute).kind, 'refused')
})

t.test('a refusal to come bounds it as well', async (t) => {
  const clinic = aClinic()
  carryOut(clinic, directive({ recipient: theLab, from: noon + 3 * minute }))
  t.equal((outcome(clinic, share(), anna) as Change).notAfter, noon + 3 * minute)
})

t.test('ending a share needs no consent', async (t) => {
  const clinic = aClinic()
  const shared = carryOut(clinic, share())
  carryOut(clinic, directive())
  t.equal(outcome(clinic, { kind: 'end_share', shareId: shared.id }, anna).kind, 'change')
})
