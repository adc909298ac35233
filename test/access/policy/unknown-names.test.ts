import t from 'tap'
import { newToClinic } from '../../../services/access/policy/import/findings.ts'
import { defineRole, noRoles } from '../../../services/access/policy/roles.ts'
import {
  likelyMeant,
  namesInForce,
  namesInWords,
  nearlyCheckedBounds,
  unknownAsked,
  unknownNames,
  unknownSensitivities,
} from '../../../services/access/policy/unknown-names.ts'
import { permission, role } from '../../support/clinic-fold.ts'

const inForce = [
  role('viewer', [permission('imaging', 'read'), permission('lab_report', 'sign')]),
  role('owner', [permission('*', '*')]),
  role('administrator', [permission('staff_account', 'update')]),
]

const roles = noRoles()
for (const one of inForce) defineRole(roles, one)
const known = namesInForce(roles)

t.test('the name most likely meant differs by case, or by a letter or two', async (t) => {
  const names = ['imaging', 'invoice', 'lab_report', 'read', 'HIV', '*']
  for (const [written, meant] of [
    ['imagng', 'imaging'],
    ['imagnig', 'imaging'],
    ['IMAGING', 'imaging'],
    ['Lab-Report', 'lab_report'],
    ['lab_reprots', 'lab_report'],
    ['hiv', 'HIV'],
    ['raed', 'read'],
    ['rea', 'read'],
    ['lead', 'read'],
    ['send', undefined],
    ['imag', undefined],
    ['photograph', undefined],
    ['imaging', undefined],
    ['', undefined],
  ] as const) {
    t.equal(likelyMeant(written, names), meant, written)
  }
  t.equal(likelyMeant('lab_repoxy', names, 1), undefined, 'no farther than told')
})

t.test('a role for every type makes no name known, and what the service itself asks for is known', async (t) => {
  t.same(
    unknownNames(known, { resourceTypes: ['imaging', 'patient', 'emergency_access', '*'], actions: ['sign', 'delete', 'open', '*'] }),
    [],
  )
  const unknown = unknownNames(known, { resourceTypes: ['imagng', 'photo', 'imagng'], actions: ['raed'] })
  t.same(namesInWords(unknown), [
    'No role in force names the resource type "imagng"; did you mean "imaging"?',
    'No role in force names the resource type "photo".',
    'No role in force names the action "raed"; did you mean "read"?',
  ])
  t.same(
    unknownAsked(known, { resourceTypes: ['patient'], actions: ['delete'] }).map(({ name }) => name),
    ['patient', 'delete'],
    'a question that no role speaks of is answered by none',
  )
})

t.test('of a role that is replaced only what others name is known', async (t) => {
  t.same(
    unknownNames(namesInForce(roles, 'viewer'), { resourceTypes: ['imaging'] }).map(({ name }) => name),
    ['imaging'],
  )
  t.same(unknownNames(namesInForce(roles, 'nobody'), { resourceTypes: ['imaging'] }), [])
})

t.test('sensitivities of no vocabulary are named, with the code that looks like them', async (t) => {
  t.same(unknownSensitivities(['HIV', 'VIP', 'EMP']), [])
  t.same(namesInWords(unknownSensitivities(['hiv', 'HOUSE_RULE'])), [
    'No vocabulary holds the sensitivity "hiv", so only a clearance for every sensitivity covers it; did you mean "HIV"?',
    'No vocabulary holds the sensitivity "HOUSE_RULE", so only a clearance for every sensitivity covers it.',
  ])
})

t.test('a bound that is nearly a checked one is named, others are duties as meant', async (t) => {
  const kinds = ['own_patient', 'own_patients', 'Shared', 'fields'].map((kind) => ({ kind }))
  t.same(nearlyCheckedBounds(kinds), [
    { kind: 'own_patient', meant: 'own_patients' },
    { kind: 'Shared', meant: 'shared' },
  ])
})

t.test('thousands of names are looked at no longer than some', async (t) => {
  const resourceTypes = Array.from({ length: 5_000 }, (_, index) => `type_${index}`)
  t.equal(unknownNames(known, { resourceTypes }).length, 20)
})

t.test('an import says what is new to a clinic, and of a first import only what looks misspelt', async (t) => {
  const misspelt = role('nurse', [permission('imaging', 'read'), permission('imagng', 'raed'), permission('photo', 'read')])
  t.same(newToClinic([misspelt], inForce), [
    {
      kind: 'new_to_clinic',
      roles: ['nurse'],
      message:
        'new to this clinic: resource type "imagng" (did you mean "imaging"?), resource type "photo", action "raed" (did you mean "read"?)',
    },
  ])
  t.same(newToClinic(inForce, inForce), [])
  const first = [misspelt, role('reader', [permission('imaging', 'read')])]
  t.match(newToClinic(first, [inForce[2] as (typeof inForce)[number]]), [
    { message: 'new to this clinic: resource type "imagng" (did you mean "imaging"?), action "raed" (did you mean "read"?)' },
  ])
  const bound = role('own', [permission('imaging', 'read', { bounds: [{ kind: 'own_patient', codes: [] }] })])
  t.match(newToClinic([bound], inForce), [{ kind: 'nearly_checked_bound', roles: ['own'], message: /"own_patients"/ }])
})
