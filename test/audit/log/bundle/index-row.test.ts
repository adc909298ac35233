import t from 'tap'
import { indexColumns, indexRow } from '../../../../services/audit/log/bundle/index-row.ts'

/** What the index shows of an entry with this data, by column, without empty cells. */
const shown = (type: string, data: unknown): Readonly<Record<string, string>> => {
  const bytes = Buffer.from(JSON.stringify({ type: `chartwarden.${type}.v1`, data }))
  const row = indexRow({ revision: 3n, bytes, receipt: undefined }, undefined)
  return Object.fromEntries(row.map((cell, column) => [indexColumns[column] as string, cell] as const).filter(([, cell]) => cell !== ''))
}

const staff = (pseudonym: string) => ({ type: 'staff', pseudonym })

t.test('a patient who is introduced stands under patient, a person under who', async (t) => {
  const introduced = (kind: string, type: string) => shown('identity.introduced', { kind, type, pseudonym: 'P1' })
  t.match(introduced('patient', ''), { what: 'identity introduced', patient: 'P1', who: undefined })
  t.match(introduced('subject', 'staff'), { who: 'staff P1', patient: undefined })
})

t.test('a role stands under role, not among the actions', async (t) => {
  t.match(shown('role.granted', { subject: staff('S1'), role: 'dentist' }), { who: 'staff S1', role: 'dentist', action: undefined })
})

t.test('whoever reads the trail stands under who', async (t) => {
  const actor = { rule: 'scope/audit.read', subject: staff('S2') }
  t.match(shown('trail.viewed', { actor, query: 'read_entries' }), { who: 'staff S2', action: 'read_entries' })
  t.match(shown('trail.viewed', { actor, query: 'access_history', subject: staff('S1') }), {
    who: 'staff S1',
    on_behalf_of_or_by: 'staff S2',
  })
})
