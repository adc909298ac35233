import t from 'tap'
import { createProjectionHouse } from '../../support/projections.ts'

const minute = 60_000
const spelled = (time: number) => new Date(time).toISOString().replace(/\.(\d{3})Z$/, (_, ms) => (ms === '000' ? '+00:00' : `.${ms}+00:00`))

t.test('a grant runs from its entry or its from, until the earlier of its until and the entry that ends it', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const anna = await script.staff('anna')
  const boss = await script.staff('boss')
  const start = script.nextTime()
  const open = await script.granted(anna, 'dentist', { by: boss })
  const bounded = await script.granted(anna, 'receptionist', { from: start + 5 * minute, until: start + 9 * minute })
  const revoked = await script.granted(anna, 'lab', { until: start + 9 * minute })
  const revocation = await script.revoked(anna, 'lab', [revoked])
  await house.catchUp()
  t.match(await house.rows('role_grants'), [
    {
      grant_id: open.id,
      role: 'dentist',
      subject: anna.pseudonym,
      grantor: boss.pseudonym,
      valid_from: spelled(open.time),
      valid_until: null,
      ended_at: null,
      in_force_until: 'infinity',
    },
    {
      grant_id: bounded.id,
      grantor: null,
      valid_from: spelled(start + 5 * minute),
      valid_until: spelled(start + 9 * minute),
      in_force_until: spelled(start + 9 * minute),
    },
    {
      grant_id: revoked.id,
      ended_at: spelled(revocation.time),
      ended_revision: Number(revocation.revision),
      ended_entry_id: revocation.id,
      in_force_until: spelled(revocation.time),
    },
  ])
})

t.test('an offboarding ends what its person holds or would come to hold, and nothing of others', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const anna = await script.staff('anna')
  const other = await script.staff('other')
  const start = script.nextTime()
  const expired = await script.granted(anna, 'expired', { until: start + 1 })
  const current = await script.granted(anna, 'current')
  const future = await script.granted(anna, 'future', { from: start + 60 * minute })
  const others = await script.granted(other, 'current')
  const left = await script.offboarded(anna)
  const void_ = await script.granted(anna, 'after leaving')
  await script.reinstated(anna)
  const again = await script.granted(anna, 'current')
  await house.catchUp()
  const ended = new Map((await house.rows('role_grants')).map((row) => [row.grant_id, row.ended_entry_id]))
  t.equal(ended.get(expired.id), null, 'what was over before is not ended by it')
  t.equal(ended.get(current.id), left.id)
  t.equal(ended.get(future.id), left.id)
  t.equal(ended.get(others.id), null)
  t.equal(ended.get(again.id), null, 'what is granted after the reinstatement stays')
  const rows = await house.rows('role_grants')
  const voided = rows.find((row) => row.grant_id === void_.id)
  t.equal(voided?.in_force_until, voided?.valid_from, 'a grant to a former person never comes into force')
})

t.test('retiring a role ends its grants, and defining it anew does not bring them back', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const anna = await script.staff('anna')
  const actor = { rule: 'scope/policy.write' }
  const old = await script.granted(anna, 'hygienist')
  const kept = await script.granted(anna, 'dentist')
  const retired = await script.write('chartwarden.role.retired.v1', { actor, role: 'hygienist' })
  await script.write('chartwarden.role.defined.v2', { actor, role: 'hygienist', title: 'Hygienist', inherits: [], permissions: [] })
  const fresh = await script.granted(anna, 'hygienist')
  await house.catchUp()
  const ended = new Map((await house.rows('role_grants')).map((row) => [row.grant_id, row.ended_entry_id]))
  t.same([ended.get(old.id), ended.get(kept.id), ended.get(fresh.id)], [retired.id, null, null])
})

t.test('an entry that says that a grant has ended changes nothing: it ended when it ended', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const anna = await script.staff('anna')
  const until = script.nextTime() + minute
  const grant = await script.granted(anna, 'dentist', { until })
  await house.catchUp()
  const before = await house.rows('role_grants')
  const expired = { subject: anna, role: 'dentist', grant_id: grant.id, until: new Date(until).toISOString() }
  await script.write('chartwarden.role.expired.v1', expired, { time: until + 5 * minute })
  await script.offboarded(anna)
  await house.catchUp()
  t.same(await house.rows('role_grants'), before)
  t.same(await house.rows('parked_entries'), [], 'and every kind of end can be read')
  t.equal(before[0]?.in_force_until, spelled(until))
})
