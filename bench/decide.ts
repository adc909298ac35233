/**
 * Cost of one decision on the folded state of a large clinic. Run: node bench/decide.ts
 * 300 staff in six roles, 20,000 patients with a care team of three, 2,000 shares with one lab of 20 technicians.
 */
import { cpus } from 'node:os'
import { type AccessRequest, decide } from '../services/access/decide.ts'
import { builtinRoles } from '../services/access/policy/builtin/builtin-roles.ts'
import { at, createClinicFold, lab, noon, patient, question, record, staff } from '../test/support/clinic-fold.ts'

const patients = 20_000
const people = 300
const sharesMade = 2_000
const started = performance.now()
const clinic = createClinicFold()
for (const definition of builtinRoles()) clinic.define(definition)
const roles = builtinRoles().map(({ role }) => role)
const mainLab = lab('main')
const names = Array.from({ length: people }, (_, index) => staff(`person-${index}`))
const person = (index: number) => names[index % people] as (typeof names)[number]
names.forEach((subject, index) => {
  clinic.enrol(subject, index % 6 === 4 ? [mainLab] : [])
  clinic.grant(subject, roles[index % 6] as string, index % 2 === 0 ? {} : { until: noon + 86_400_000 })
  if (index % 5 === 0) clinic.grant(subject, roles[(index + 1) % 6] as string)
})
for (let index = 0; index < patients; index += 1) {
  for (const member of [0, 1, 2]) {
    clinic.apply('chartwarden.careteam.joined.v1', { patient: patient(`${index}`), subject: person(6 * (index + member * 7) + 1) })
  }
}
for (let index = 0; index < sharesMade; index += 1) {
  clinic.apply('chartwarden.record.shared.v1', {
    recipient: mainLab,
    patient: patient(`${index % 1_000}`),
    resource_types: ['imaging', 'lab_report'],
    records: [record('imaging', `${index}`), record('lab_report', `${index}`)],
    actions: ['read', 'update'],
    purpose: 'TREAT',
    until: at(noon + 86_400_000),
  })
}
const folded = performance.now() - started

const supportedObligations = new Set(['fields', 'until_accepted', 'own_entries', 'addendum_only', 'until_sent'])
const cases: Record<string, (index: number) => AccessRequest> = {
  'plain permit': (index) => question(person(6 * index + 1), 'treatment_record', 'read', { patient: patient(`${index}`) }),
  'own patients': (index) => question(person(6 * index + 1), 'imaging', 'read', { patient: patient(`${index}`) }),
  'shared with the lab': (index) =>
    question(person(6 * index + 4), 'imaging', 'read', {
      patient: patient(`${index % 1_000}`),
      record: record('imaging', `${index % sharesMade}`),
      supportedObligations,
    }),
  obligation: (index) => question(person(6 * index + 3), 'message', 'read', { purpose: 'PATADMIN', supportedObligations }),
  'no grant': (index) => question(person(6 * index + 3), 'clinical_note', 'read', { patient: patient(`${index}`) }),
}

console.log(`${cpus()[0]?.model}, Node ${process.version}, ${clinic.events.length} events folded in ${Math.round(folded)} ms`)
for (const [name, make] of Object.entries(cases)) {
  const requests = Array.from({ length: 4_096 }, (_, index) => make(index))
  let permits = 0
  const rounds = 100
  const run = (times: number) => {
    for (let round = 0; round < times; round += 1) {
      for (const request of requests) if (decide(clinic.state, request, noon).decision === 'permit') permits += 1
    }
  }
  run(10)
  permits = 0
  const begin = performance.now()
  run(rounds)
  const each = ((performance.now() - begin) * 1_000) / (rounds * requests.length)
  console.log(`${name.padEnd(20)} ${each.toFixed(2)} µs a decision, ${((100 * permits) / (rounds * requests.length)).toFixed(0)} % permits`)
}
