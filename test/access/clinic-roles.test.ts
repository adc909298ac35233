/** The clinic's role table cell by cell: the CSV files are the oracle, read here without the importer. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { type AccessRequest, decide } from '../../services/access/decide.ts'
import { builtinRoles } from '../../services/access/policy/builtin/builtin-roles.ts'
import { at, createClinicFold, lab, noon, patient, question, record, staff } from '../support/clinic-fold.ts'

const builtin = new URL('../../services/access/policy/builtin/', import.meta.url)

/** Rows of a CSV whose only quoted cell is the last one. */
const rowsOf = (name: string): string[][] =>
  readFileSync(new URL(name, builtin), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [head = '', quoted] = line.split('"')
      const cells = head.split(',')
      return quoted === undefined ? cells : [...cells.slice(0, -1), quoted]
    })

interface Cell {
  readonly role: string
  readonly type: string
  readonly action: string
  readonly effect: string
}

const cells = rowsOf('clinic-roles.csv').map(([role = '', type = '', action = '', effect = '', source = '']) => ({
  role,
  type,
  action,
  effect,
  source,
}))
const purposes = new Map(rowsOf('clinic-purposes.csv').map(([role = '', codes = '']) => [role, codes.split(' ')]))
const bounds = rowsOf('clinic-bounds.csv')
const roles = [...new Set(cells.map(({ role }) => role))]

const checked = ['own_patients', 'shared']
const dentalLab = lab('crowns')
const known = patient('known')
const stranger = patient('stranger')
const clinic = createClinicFold()
for (const definition of builtinRoles()) clinic.define(definition)
for (const name of roles) {
  clinic.enrol(staff(name), [dentalLab])
  clinic.grant(staff(name), name)
  clinic.apply('chartwarden.careteam.joined.v1', { patient: known, subject: staff(name) })
}
clinic.apply('chartwarden.record.shared.v1', {
  recipient: dentalLab,
  patient: known,
  resource_types: [...new Set(cells.map(({ type }) => type))],
  actions: [...new Set(cells.map(({ action }) => action))],
  purpose: 'TREAT',
  until: at(noon + 1_000),
})

const boundsOf = (cell: Cell): readonly (readonly string[])[] =>
  bounds.filter(([role, type, action]) => role === cell.role && type === cell.type && action === cell.action).map((row) => row.slice(3))

const ask = (cell: Cell, rest: Partial<AccessRequest> = {}) =>
  decide(
    clinic.state,
    question(staff(cell.role), cell.type, cell.action, {
      purpose: purposes.get(cell.role)?.[0],
      patient: known,
      record: record(cell.type, '1'),
      supportedObligations: new Set(boundsOf(cell).map(([kind = '']) => kind)),
      ...rest,
    }),
    noon,
  )

t.test('the table is whole', async (t) => {
  t.equal(cells.length, 504)
  t.equal(bounds.length, 54)
  t.same(
    ['permit', 'limited', 'deny'].map((effect) => cells.filter((cell) => cell.effect === effect).length),
    [74, 43, 387],
  )
  t.same(
    ['permit', 'limited', 'deny'].map((effect) => cells.filter((cell) => cell.source === 'guide' && cell.effect === effect).length),
    [20, 6, 15],
    'what the guides state has not been changed',
  )
})

for (const name of roles) {
  t.test(`${name}: every cell decides as the table says`, async (t) => {
    for (const cell of cells.filter(({ role }) => role === name)) {
      const label = `${cell.type} ${cell.action}`
      const rule = `role/${cell.role}#${cell.type}.${cell.action}`
      const answer = ask(cell)
      if (cell.effect === 'deny') {
        t.match(answer, { decision: 'deny', reasonCode: 'no_grant', rule: '', roles: [name] }, `${label} is not granted`)
        continue
      }
      const ofCell = boundsOf(cell)
      const duties = ofCell.filter(([kind = '']) => !checked.includes(kind))
      t.equal(ofCell.length > 0, cell.effect === 'limited', `${label}: limited cells and only they have bounds`)
      t.match(answer, { decision: 'permit', reasonCode: 'role_permits', rule, roles: [name] }, `${label} is permitted`)
      t.same(
        answer.obligations.map(({ type, properties }) => [type, properties.codes ?? []]),
        duties.map(([kind = '', codes = '']) => [kind, codes.split(/[,|]/).filter((code) => code !== '')]),
        `${label}: every other bound is a duty`,
      )
      t.match(
        ask(cell, { purpose: 'HMARKT' }),
        { decision: 'deny', reasonCode: 'purpose_not_allowed', rule, obligations: { length: 0 } },
        `${label} for marketing`,
      )
      for (const [missing = ''] of duties) {
        const others = new Set(duties.map(([kind = '']) => kind).filter((kind) => kind !== missing))
        t.match(
          ask(cell, { supportedObligations: others }),
          { decision: 'deny', reasonCode: 'obligation_unsupported', rule, obligations: { length: 0 } },
          `${label} without ${missing}`,
        )
      }
      for (const [kind = ''] of ofCell.filter(([candidate = '']) => checked.includes(candidate))) {
        const reasonCode = kind === 'shared' ? 'not_shared' : 'not_own_patient'
        t.match(ask(cell, { patient: stranger }), { decision: 'deny', reasonCode, rule }, `${label} of another patient`)
        const { patient: _, ...nobody } = question(staff(name), cell.type, cell.action, { purpose: purposes.get(name)?.[0] })
        t.match(decide(clinic.state, nobody, noon), { decision: 'deny', reasonCode }, `${label} of no patient`)
      }
    }
  })
}

t.test('what is about no record is added to the table', async (t) => {
  const added = rowsOf('clinic-additions.csv').map(([role = '', type = '', action = '']) => ({ role, type, action, effect: 'permit' }))
  t.equal(added.length, 14)
  for (const cell of added) {
    const label = `${cell.role}: ${cell.type} ${cell.action}`
    t.match(ask(cell), { decision: 'permit', rule: `role/${cell.role}#${cell.type}.${cell.action}`, obligations: { length: 0 } }, label)
    for (const role of roles.filter(
      (name) => !added.some((other) => other.role === name && other.type === cell.type && other.action === cell.action),
    )) {
      t.equal(ask({ ...cell, role }).reasonCode, 'no_grant', `${label}, but not ${role}`)
    }
  }
  const opening = added.filter(({ type, action }) => type === 'emergency_access' && action === 'open').map(({ role }) => role)
  t.same(opening, ['dentist', 'hygienist'], 'whoever treats may open an emergency')
  t.notOk(
    added.some(({ role, type, action }) => opening.includes(role) && type === 'emergency_access' && action === 'review'),
    'and nobody who may open one reviews it',
  )
})

t.test('the built-in clearances are those of the table', async (t) => {
  t.same(
    builtinRoles().map(({ role, clearance }) => [role, clearance]),
    [
      ['clinic_admin', undefined],
      ['dentist', { confidentiality: 'R', sensitivities: ['*'] }],
      ['hygienist', undefined],
      ['receptionist', undefined],
      ['lab_technician', { confidentiality: 'R', sensitivities: ['*'] }],
      ['compliance_officer', undefined],
    ],
  )
})

t.test('roles add up: a no in one takes nothing from another', async (t) => {
  const both = staff('dentist-and-admin')
  clinic.enrol(both)
  clinic.grant(both, 'dentist')
  clinic.grant(both, 'clinic_admin')
  for (const cell of cells.filter(({ role, effect }) => role === 'clinic_admin' && effect === 'permit')) {
    const answer = decide(clinic.state, question(both, cell.type, cell.action, { purpose: 'PATADMIN' }), noon)
    t.match(answer, { decision: 'permit', roles: ['clinic_admin', 'dentist'] }, `${cell.type} ${cell.action} as the admin`)
  }
  const note = decide(clinic.state, question(both, 'clinical_note', 'create'), noon)
  t.match(note, { decision: 'permit', rule: 'role/dentist#clinical_note.create' })
})
