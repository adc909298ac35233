import t from 'tap'
import { createProjectionHouse } from '../../support/projections.ts'

t.test('an offboarding is open until the reinstatement of the person, and the next one is a row of its own', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const leaver = await script.staff('leaver')
  const boss = await script.staff('boss')
  await script.decided('deny', { subject: leaver })
  const first = await script.offboarded(leaver, { by: boss })
  await script.decided('deny', { subject: leaver })
  const back = await script.reinstated(leaver)
  await script.decided('deny', { subject: leaver })
  const second = await script.offboarded(leaver)
  await script.decided('deny', { subject: leaver })
  await house.catchUp()
  const time = (milliseconds: number) => new Date(milliseconds).toISOString().replace('.000Z', '+00:00')
  t.match(await house.rows('offboardings'), [
    {
      entry_id: first.id,
      subject: leaver.pseudonym,
      decided_by: boss.pseudonym,
      reinstated_at: time(back.time),
      reinstated_revision: Number(back.revision),
    },
    { entry_id: second.id, decided_by: null, caller: 'practice-software', reinstated_at: null },
  ])
})

t.test('a person the clinic does not know is barred and shown as unknown', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const stranger = await script.staff('mistyped')
  await script.write('chartwarden.staff.offboarded.v1', {
    actor: { rule: 'scope/staff.offboard' },
    subject: stranger,
    effective: new Date(script.nextTime()).toISOString(),
    unknown_subject: true,
    ended: { grants: 0, shares: 0, relationships: 0, digest: '' },
  })
  await house.catchUp()
  t.match(await house.rows('offboardings'), [{ unknown_subject: true, sealed: null }])
})
