import t from 'tap'
import { systemClock } from '../../../services/kernel/clock.ts'
import { createPeople } from '../../../services/projections/reports/people.ts'
import { createReportReader } from '../../../services/projections/reports/report-reader.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { createProjectionHouse } from '../../support/projections.ts'

t.test('a name once opened is shown for a minute at most after its key was destroyed', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  await script.staff('anna')
  await house.catchUp()
  const clock = manualClock()
  const people = createPeople({ clock })
  const reader = createReportReader({ pool: house.queryPool, clock: systemClock })
  const vault = await house.vault.createClinic('north')
  const pseudonym = vault.pseudonym({ kind: 'subject', type: 'staff', id: 'anna' })
  const shown = async () => {
    const deadline = systemClock.monotonic() + 10_000
    const found = await reader.read('north', deadline, (transaction) => people.find(transaction, 'north', [pseudonym]))
    // A vault that has used no key yet, so that what is measured is what people itself remembers.
    return (await people.open('north', await house.replicaVault().createClinic('north'), found)).subject('staff', pseudonym).id
  }
  t.equal(await shown(), 'anna')
  house.keyStore.destroy('north', pseudonym)
  clock.advance(59_999)
  t.equal(await shown(), 'anna')
  clock.advance(1)
  t.equal(await shown(), `erased:${pseudonym}`)
})
