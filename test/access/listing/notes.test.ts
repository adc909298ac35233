import t from 'tap'
import { whatCanNotes, whoCanNotes } from '../../../services/access/listing/notes.ts'
import { at, createClinicFold, noon, permission, record, role, staff } from '../../support/clinic-fold.ts'

const clinic = createClinicFold()
const [anna, ben] = [staff('anna'), staff('ben')]
clinic.define(role('viewer', [permission('imaging', 'read')]))
for (const one of [anna, ben]) clinic.enrol(one)
clinic.apply('chartwarden.resource.described.v1', {
  resource_type: 'imaging',
  record: record('imaging', 'i'),
  confidentiality: 'N',
  sensitivities: [],
  properties: {},
})
const leave = (who: typeof ben) =>
  clinic.apply('chartwarden.staff.offboarded.v1', {
    subject: who,
    effective: at(noon),
    unknown_subject: false,
    ended: { grants: 0, shares: 0, relationships: 0, digest: '' },
  })

t.test('who can: names that no role knows, and subjects of a type that nobody has', async (t) => {
  t.same(whoCanNotes(clinic.state, { resourceType: 'imaging', action: 'read', subjectType: '' }), [])
  t.same(whoCanNotes(clinic.state, { resourceType: 'imaging', action: 'read', subjectType: 'staff' }), [])
  t.same(whoCanNotes(clinic.state, { resourceType: 'imagng', action: 'delete', subjectType: 'staf' }), [
    'No role in force names the resource type "imagng"; did you mean "imaging"?',
    'No role in force names the action "delete".',
    'This clinic knows no subject of the type "staf"; did you mean "staff"?',
  ])
})

t.test('what can: a subject that is not known, has left or has a cut-off, and a type of which nothing is described', async (t) => {
  const asked = { subject: anna.pseudonym, list: 'resources', resourceType: 'imaging', action: 'read' } as const
  t.same(whatCanNotes(clinic.state, asked), [])
  t.same(whatCanNotes(clinic.state, { ...asked, list: 'actions', resourceType: '', action: '' }), [])
  t.match(whatCanNotes(clinic.state, { ...asked, subject: staff('stranger').pseudonym }), [/^Nobody of this identifier is known/])
  t.same(whatCanNotes(clinic.state, { ...asked, resourceType: 'imagng' }), [
    'No role in force names the resource type "imagng"; did you mean "imaging"?',
    'The directory describes no record of the type "imagng"; did you mean "imaging"?',
  ])
  leave(ben)
  t.match(whatCanNotes(clinic.state, { ...asked, subject: ben.pseudonym }), [/^This person has left/])
  clinic.apply('chartwarden.staff.reinstated.v1', { subject: ben })
  t.match(whatCanNotes(clinic.state, { ...asked, subject: ben.pseudonym }), [/^This person has a cut-off/])
})
