import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import t from 'tap'
import { startReports } from '../../../support/reports.ts'

t.test('what was opened between the end of employment and its entry, and what was performed after it, is counted', async (t) => {
  const { script, leavers, streamReport, settle } = await startReports(t)
  const anna = await script.staff('anna')
  const left = script.nextTime() + 60_000
  await script.decided('permit', { subject: anna, time: left - 1 })
  await script.decided('permit', { subject: anna, time: left })
  await script.recorded({ subject: anna, time: left + 5_000 })
  await script.decided('deny', { subject: anna })
  await script.decided('probe', { subject: anna })
  await script.write(
    'chartwarden.staff.offboarded.v1',
    {
      actor: { rule: 'scope/staff.offboard' },
      subject: anna,
      effective: new Date(left).toISOString(),
      unknown_subject: false,
      ended: { grants: 0, shares: 0, relationships: 0, digest: '' },
    },
    { time: left + 60_000 },
  )
  await script.recorded({ subject: anna, time: left + 60_000 })
  await script.recorded({ subject: anna, time: left + 59_999 }, {})
  await script.reinstated(anna, left + 120_000)
  await script.recorded({ subject: anna, time: left + 120_000 })
  await settle()
  const row = { accessesBetween: 3n, performedAfterExit: 1n, caller: 'practice-software' }
  t.match((await leavers({})).offboardings, [row])
  const items: unknown[] = []
  for await (const { item } of streamReport({ report: { case: 'offboardings', value: {} } })) items.push(item)
  t.match(items, [
    { case: 'offboarding', value: row },
    { case: 'end', value: { items: 1n } },
  ])
})

t.test('grants are streamed as they are paged', async (t) => {
  const { script, grants, streamReport, settle } = await startReports(t)
  const anna = await script.staff('anna')
  for (const role of ['dentist', 'assistant']) await script.granted(anna, role)
  await settle()
  const asOf = timestampFromMs(script.nextTime())
  const roles: unknown[] = []
  for await (const { item } of streamReport({ report: { case: 'roleGrants', value: { asOf } } })) {
    if (item?.case === 'roleGrant') roles.push(item.value.role)
  }
  t.same(
    roles,
    (await grants({ asOf })).grants?.map(({ role }) => role),
  )
  t.same(roles, ['dentist', 'assistant'])
})
