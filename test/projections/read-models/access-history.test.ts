import t from 'tap'
import { leafHash } from '../../../services/audit/log/tree-hash.ts'
import { createProjectionHouse, feedOf } from '../../support/projections.ts'

t.test('every decision and every recorded access becomes one row of its kind', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const anna = await script.staff('anna')
  const patient = await script.patient('p-1')
  const permit = await script.decided('permit', { subject: anna, patient })
  const deny = await script.decided('deny', { subject: anna, patient, resourceType: 'invoice', action: 'export', purpose: 'HPAYMT' })
  const probe = await script.decided('probe', { subject: anna, patient })
  const performed = await script.recorded(
    { subject: anna, patient, purpose: 'UNSTATED', time: Date.parse('2026-11-22T10:00:00.123Z') },
    { occurred_at: '2026-11-22T10:00:00.123456Z', decision_entry_id: permit.id, flags: ['purpose_unstated'] },
  )
  await house.catchUp()

  const rows = await house.rows('access_history')
  t.match(rows, [
    {
      revision: Number(permit.revision),
      kind: 'authorised',
      decision: 'permit',
      rule: 'role/dentist#1',
      decision_entry_id: null,
      flags: { length: 0 },
    },
    { revision: Number(deny.revision), kind: 'refused', decision: 'deny', resource_type: 'invoice', action: 'export', purpose: 'HPAYMT' },
    { revision: Number(probe.revision), kind: 'probed', decision: 'permit' },
    {
      revision: Number(performed.revision),
      kind: 'performed',
      decision: null,
      decision_entry_id: permit.id,
      flags: ['purpose_unstated'],
      occurred_at: '2026-11-22T10:00:00.123456+00:00',
      reason_code: '',
      rule: '',
    },
  ])
  t.equal(rows.length, 4)
  const entries = await house.entries()
  const entry = entries.find(({ id }) => id === permit.id)
  t.ok(
    entry !== undefined && rows[0]?.leaf_hash === `\\x${Buffer.from(leafHash(entry.bytes)).toString('hex')}`,
    'the leaf hash pins the entry',
  )
  t.match(rows[0], {
    clinic: 'north',
    entry_id: permit.id,
    subject: anna.pseudonym,
    subject_type: 'staff',
    patient,
    caller: 'practice-software',
    occurred_at: new Date(permit.time).toISOString().replace('.000Z', '+00:00'),
    sealed: { kid: patient },
  })
})

t.test('of a batch that is written in several parts only what cannot be read is missing', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const anna = await script.staff('anna')
  for (let number = 0; number < 510; number += 1) await script.decided('permit', { subject: anna })
  const unreadable = await script.decided('permit', { subject: anna }, { decision: 'sometimes' as 'permit' })
  const refused = await script.recorded({ subject: anna }, { decision_entry_id: 'no id' })
  const last = await script.decided('deny', { subject: anna })
  const entries = await house.entries()
  await house.catchUp({ feed: feedOf(entries, entries.length) })
  const rows = await house.rows('access_history')
  t.equal(rows.length, 511)
  t.match(rows.at(-1), { entry_id: last.id, kind: 'refused' })
  const parked = (await house.rows('parked_entries')).filter(({ entry_id }) => entry_id === unreadable.id || entry_id === refused.id)
  t.same(new Set(parked.map(({ detail }) => detail)), new Set(['TypeError', '22P02']))
})

t.test('no identifier of a person or record is stored in any read model', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const anna = await script.staff('anna-the-hygienist')
  const patient = await script.patient('patient-4711')
  await script.granted(anna, 'dentist', { by: anna })
  await script.decided('permit', { subject: anna, patient, resourceId: 'xray-99', reason: 'a second look' })
  await script.recorded({ subject: anna, patient, resourceId: 'xray-99', reason: 'a second look' })
  await script.offboarded(anna, { by: anna })
  await house.catchUp()
  const stored = JSON.stringify(await house.everything())
  t.match(stored, anna.pseudonym, 'the rows are there')
  for (const secret of ['anna-the-hygienist', 'patient-4711', 'xray-99', 'second look', 'contract ended', 'needs dentist']) {
    t.notOk(stored.includes(secret), `"${secret}" is not`)
  }
})

t.test('a decision about an administrative call stands under its own type and is marked', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const anna = await script.staff('anna')
  await script.decided('deny', { subject: anna, resourceType: 'staff_account', action: 'update' }, { operation: 'grant_role', purpose: '' })
  await house.catchUp()
  t.match(await house.rows('access_history'), [
    { kind: 'refused', resource_type: 'staff_account', flags: ['administrative'], patient: null },
  ])
})

t.test('what a person does after leaving is marked, by order for decisions and by occurrence for recorded accesses', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const leaver = await script.staff('leaver')
  const other = await script.staff('other')
  await script.decided('permit', { subject: leaver })
  const left = await script.offboarded(leaver)
  await script.decided('deny', { subject: leaver })
  await script.decided('probe', { subject: leaver }, { decision: 'deny' })
  await script.decided('deny', { subject: other })
  await script.recorded({ subject: leaver, time: left.time - 1 })
  await script.recorded({ subject: leaver, time: left.time })
  const back = await script.reinstated(leaver)
  await script.decided('deny', { subject: leaver })
  await script.recorded({ subject: leaver, time: back.time - 1 })
  await script.recorded({ subject: leaver, time: back.time })
  await script.offboarded(leaver)
  await script.decided('deny', { subject: leaver })
  await house.catchUp()
  t.same(
    (await house.rows('access_history')).map((row) => [row.kind, (row.flags as string[]).includes('after_exit')]),
    [
      ['authorised', false],
      ['refused', true],
      ['probed', true],
      ['refused', false],
      ['performed', false],
      ['performed', true],
      ['refused', false],
      ['performed', true],
      ['performed', false],
      ['refused', true],
    ],
  )
})
