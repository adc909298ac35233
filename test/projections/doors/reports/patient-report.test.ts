import t from 'tap'
import type { Pseudonym } from '../../../../services/audit/vault.ts'
import { staffPseudonym } from '../../../../services/projections/reports/patient-report.ts'
import { fault } from '../../../support/fault.ts'
import { plain } from '../../../support/plain.ts'
import { reportsOf, startReports } from '../../../support/reports.ts'

t.test('a patient learns what happened and in which role, and staff apart, but nobody by name', async (t) => {
  const reports = await startReports(t)
  const { script, patient: report, readings, settle } = reports
  const [anna, ben] = [await script.staff('anna'), await script.staff('ben')]
  const patient = await script.patient('p-1')
  await script.granted(ben, 'assistant')
  const permit = await script.decided('permit', { subject: anna, patient, reason: 'asked by ben' }, { roles: ['dentist'] })
  await script.recorded({ subject: anna, patient }, { decision_entry_id: permit.id })
  await script.recorded({ subject: ben, patient })
  await script.decided('permit', { subject: ben, patient }, { roles: ['assistant'], overrode: { reason_code: 'no_grant', rule: '' } })
  await script.decided('deny', { subject: ben, patient }, { roles: ['assistant'] })
  await settle()
  const answer = await report({ query: { patientId: 'p-1' } })
  t.match(answer.rows, [
    { roles: ['assistant'], reasonCode: 'no_grant', emergency: false },
    { roles: ['assistant'], emergency: true },
    { roles: ['assistant'], reasonCode: '' },
    { roles: ['dentist'] },
    { entry: { id: permit.id }, roles: ['dentist'], action: 'read', resourceType: 'imaging', purpose: 'TREAT', emergency: false },
  ])
  t.equal(new Set(answer.rows?.map(({ staffPseudonym }) => staffPseudonym)).size, 2)
  t.ok(answer.rows?.every(({ subject }) => subject === undefined))
  const everything = JSON.stringify(plain(answer))
  for (const name of ['anna', 'ben', anna.pseudonym, ben.pseudonym, 'practice-software', 'role/dentist']) {
    t.notMatch(everything, name, `nothing tells "${name}"`)
  }
  t.match(readings, [{ query: 'patient_report', patientId: 'p-1', filter: { patient_id: 'p-1', staff_names: false } }])
  t.notOk(readings[0]?.alsoNeeds)
})

t.test('names are asked for, need the right to read staff accounts, and the record says so', async (t) => {
  const { script, patient: report, readings, settle } = await startReports(t)
  const anna = await script.staff('anna')
  await script.decided('permit', { subject: anna, patient: await script.patient('p-1') })
  await script.decided('permit', { subject: anna, patient: await script.patient('p-1') })
  await settle()
  const query = { patientId: 'p-1', staffNames: true }
  const first = await report({ query, pageSize: 1 })
  t.match(first.rows, [{ subject: { type: 'staff', id: 'anna' }, staffPseudonym: /^[\w-]{16}$/ }])
  await report({ query, pageSize: 1, pageToken: first.nextPageToken ?? '' })
  const needs = { alsoNeeds: { resourceType: 'staff_account', action: 'read' }, filter: { staff_names: true } }
  t.match(readings, [needs, needs], 'each page is decided by both rights')
  await t.rejects(
    report({ query: { patientId: 'p-1' }, pageToken: first.nextPageToken ?? '' }),
    fault('PAGE_TOKEN_INVALID'),
    'the token of a report with names',
  )
  await t.rejects(report({ query: { patientId: '' } }), fault('INVALID_ARGUMENT'))
})

t.test('two patients who compare their reports learn nothing of who is whom', async (t) => {
  const { script, patient: report, settle } = await startReports(t)
  const people = [await script.staff('anna'), await script.staff('ben'), await script.staff('carl')]
  for (const id of ['p-1', 'p-2']) {
    for (const subject of people) await script.decided('permit', { subject, patient: await script.patient(id) })
  }
  await settle()
  const pseudonyms = async (patientId: string) =>
    (await report({ query: { patientId } })).rows?.map((row) => row.staffPseudonym ?? '') ?? []
  const linkable = (one: readonly string[], other: readonly string[]) => one.some((pseudonym) => other.includes(pseudonym))
  t.notOk(linkable(await pseudonyms('p-1'), await pseudonyms('p-2')))
  t.same(await pseudonyms('p-1'), await pseudonyms('p-1'), 'the same in each report about one patient')
  // The twin: pseudonyms that are not bound to the patient.
  const unbound = people.map(({ pseudonym }) => staffPseudonym(script.vault, '' as Pseudonym, pseudonym))
  t.ok(linkable(unbound, unbound), 'the twin')
  t.notOk(
    linkable(
      unbound,
      people.map(({ pseudonym }) => pseudonym.slice(0, 16)),
    ),
    "none is the ledger's own",
  )
})

t.test('an erased member of staff stays one and the same person without a name', async (t) => {
  const { house, script, settle } = await startReports(t)
  const anna = await script.staff('anna')
  const patient = await script.patient('p-1')
  await script.decided('permit', { subject: anna, patient })
  await settle()
  const before = await reportsOf(t, house, script, house.vault).patient({ query: { patientId: 'p-1' } })
  house.keyStore.destroy(script.clinic, anna.pseudonym)
  const replica = reportsOf(t, house, script, house.replicaVault())
  const after = await replica.patient({ query: { patientId: 'p-1', staffNames: true } })
  t.equal(after.rows?.[0]?.staffPseudonym, before.rows?.[0]?.staffPseudonym)
  t.match(after.rows, [{ subject: { id: `erased:${anna.pseudonym}` } }])
})

t.test('a recorded access that names the decision about somebody else has the roles of its own person', async (t) => {
  const { script, patient: report, settle } = await startReports(t)
  const [anna, ben] = [await script.staff('anna'), await script.staff('ben')]
  const patient = await script.patient('p-1')
  const permit = await script.decided('permit', { subject: anna, patient }, { roles: ['dentist'] })
  const grant = await script.granted(ben, 'assistant')
  await script.recorded({ subject: ben, patient, time: grant.time + 500 }, { decision_entry_id: permit.id })
  await script.revoked(ben, 'assistant', [grant])
  await script.recorded({ subject: ben, patient, time: grant.time + 500 })
  await script.recorded({ subject: ben, patient })
  await settle()
  t.match((await report({ query: { patientId: 'p-1' } })).rows, [
    { roles: { length: 0 } },
    { roles: ['assistant'] },
    { roles: ['assistant'] },
    { roles: ['dentist'] },
  ])
})
