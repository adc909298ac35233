/** Disclosures, concerns and emergencies as rows: written once, however the entries are cut, and unreadable ones parked. */
import t from 'tap'
import { createProjectionHouse, feedOf, type ProjectionHouse } from '../../support/projections.ts'
import {
  closeEmergency,
  openEmergency,
  reviewEmergency,
  writeAnswer,
  writeConcern,
  writeDisclosure,
} from '../../support/scripted-recordings.ts'

const minute = 60_000

/** A little of everything, in two clinics. */
const writeStory = async (house: ProjectionHouse): Promise<void> => {
  for (const clinic of ['north', 'south']) {
    const script = await house.script(clinic)
    const [anna, ben] = [await script.staff('anna'), await script.staff('ben')]
    const patient = await script.patient('p-1')
    const time = script.nextTime()
    const about = { subject: anna, patient, time: time + 5 * minute }
    const closed = await openEmergency(script, { subject: anna, patient, time, until: time + 60 * minute })
    const left = await openEmergency(script, { subject: anna, patient, time: time + minute, until: time + 90 * minute })
    const expired = await openEmergency(script, { subject: anna, patient, time: time + 2 * minute, until: time + 10 * minute })
    await closeEmergency(script, about, closed)
    await closeEmergency(script, { ...about, time: time + 6 * minute }, closed)
    await script.offboarded(anna, { time: time + 20 * minute })
    const afterwards = await openEmergency(script, { subject: anna, patient, time: time + 21 * minute, until: time + 40 * minute })
    for (const emergency of [closed, left, expired, afterwards]) {
      await reviewEmergency(script, { ...about, time: time + 120 * minute }, emergency, ben, { note: 'seen' })
    }
    await reviewEmergency(script, { ...about, time: time + 130 * minute }, closed, ben, { outcome: 'unclear' })
    await script.reinstated(anna, time + 131 * minute)
    await openEmergency(script, { subject: anna, patient, time: time + 132 * minute, until: time + 140 * minute })
    await writeDisclosure(script, { patient, by: ben, at: time, address: '1 Market Square', suspendedUntil: time + 5_000 })
    const disclosure = await writeDisclosure(script, { patient, by: ben, at: time - minute, category: 'incidental' })
    const concern = await writeConcern(script, { patient, by: ben, at: time, about: disclosure.id })
    await writeAnswer(script, { patient, by: ben, at: time + minute }, concern, 'denied')
  }
}

t.test('an emergency ends with the first entry that ends it and never after its own end, and its first review counts', async (t) => {
  const house = await createProjectionHouse(t)
  await writeStory(house)
  await house.catchUp()
  const rows = (await house.rows('emergencies')).filter(({ clinic }) => clinic === 'north')
  const minutesAfter = (row: Record<string, unknown>, column: string) =>
    row[column] === null ? null : (Date.parse(String(row[column])) - Date.parse(String(rows[0]?.entry_time))) / minute
  t.same(
    rows.map((row) => [minutesAfter(row, 'closed_at'), row.closed_cause, row.outcome, minutesAfter(row, 'reviewed_at')]),
    [
      [5, 'closed', 'justified', 120],
      [20, 'offboarded', 'justified', 120],
      [10, 'expired', 'justified', 120],
      [21, 'offboarded', 'justified', 120],
      [null, null, null, null],
    ],
  )
  t.same(await house.rows('parked_entries'), [])
})

t.test('the rows are the same however the entries are cut, repeated or built anew', async (t) => {
  const house = await createProjectionHouse(t)
  await writeStory(house)
  const entries = await house.entries()
  await house.catchUp()
  const tables = async () => JSON.stringify(await Promise.all(['emergencies', 'disclosures', 'concerns'].map((table) => house.rows(table))))
  const whole = await tables()
  t.ok(whole.includes('disclosure.recorded') && whole.includes('concern.recorded') && whole.includes('emergency.opened'))
  for (const [size, overlap] of [
    [1, 0],
    [2, 1],
    [7, 5],
    [1_000, 0],
  ] as const) {
    await house.clear()
    await house.catchUp({ feed: feedOf(entries, size, overlap) })
    t.equal(await tables(), whole, `${size} at a time, ${overlap} again`)
  }
})

t.test('an entry that does not say what the vocabulary says is parked, and those beside it are not', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const ben = await script.staff('ben')
  const patient = await script.patient('p-1')
  const at = '2026-11-23T09:00:00.000Z'
  const disclosure = { patient, recorded_by: ben, disclosed_at: at, category: 'accountable', series: 's', flags: [] }
  const concern = { patient, recorded_by: ben, kind: 'dispute', raised_at: at }
  const opened = { actor: { rule: '' }, subject: ben, patient, purpose: 'BTG', until: at, review_due: at }
  const wrong: readonly (readonly [string, object])[] = [
    ['disclosure.recorded', { ...disclosure, category: 'gossip' }],
    ['disclosure.recorded', { ...disclosure, disclosed_at: 'yesterday' }],
    ['disclosure.recorded', { ...disclosure, series: 7 }],
    ['disclosure.recorded', { ...disclosure, recorded_by: undefined }],
    ['disclosure.recorded', { ...disclosure, suspended_until: 'soon' }],
    ['concern.recorded', { ...concern, kind: 'praise' }],
    ['concern.recorded', { ...concern, patient: null }],
    ['concern.recorded', { ...concern, about_entry_id: 'seven' }],
    ['concern.recorded', { ...concern, kind: 'answer' }],
    ['concern.recorded', { ...concern, kind: 'answer', concern_id: '00000000-0000-4000-8000-000000000000', outcome: 'shrug' }],
    ['emergency.opened', { ...opened, until: 'later' }],
    ['emergency.closed', { actor: { rule: '' }, emergency_id: 'x', subject: ben, patient, cause: 'closed' }],
    [
      'emergency.closed',
      { actor: { rule: '' }, emergency_id: '00000000-0000-4000-8000-000000000000', subject: ben, patient, cause: 'bored' },
    ],
    [
      'emergency.reviewed',
      { actor: { rule: '' }, emergency_id: '00000000-0000-4000-8000-000000000000', subject: ben, patient, outcome: 'fine' },
    ],
  ]
  for (const [name, data] of wrong) await script.writeRaw(`chartwarden.${name}.v1`, data, { under: patient })
  await writeDisclosure(script, { patient, by: ben, at: Date.parse(at) })
  await writeConcern(script, { patient, by: ben, at: Date.parse(at) })
  await house.catchUp()
  const parked = await house.rows('parked_entries')
  t.same(
    parked.map(({ type }) => type),
    wrong.map(([name]) => `chartwarden.${name}.v1`),
  )
  t.equal((await house.rows('disclosures')).length, 1)
  t.equal((await house.rows('concerns')).length, 1)
  t.equal((await house.rows('emergencies')).length, 0)
})
