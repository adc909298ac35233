/** Emergency accesses with their reviews: the state at the moment asked, the permits each gave, and equality with the fold that decides. */
import fc from 'fast-check'
import t from 'tap'
import { ReviewState } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { decodeEntry } from '../../../services/access/event-codec.ts'
import type { AccessEvent, SubjectReference } from '../../../services/access/events.ts'
import { emptyState, evolve } from '../../../services/access/state.ts'
import type { Pseudonym } from '../../../services/audit/vault.ts'
import { type EmergencyReviewsQuery, emergencyReviews } from '../../../services/projections/reports/emergency-reviews.ts'
import { fault } from '../../support/fault.ts'
import type { Written } from '../../support/ledger-script.ts'
import { createProjectionHouse } from '../../support/projections.ts'
import { at } from '../../support/recordings.ts'
import { firstPage, reportCallOf } from '../../support/report-call.ts'
import { contextOf, everyRow, reportsOf, startReports } from '../../support/reports.ts'
import { closeEmergency, openEmergency, reviewEmergency } from '../../support/scripted-recordings.ts'

const minute = 60_000
const hour = 60 * minute
const microseconds = (time: number): bigint => BigInt(time) * 1_000n
const projections = ['emergencies', 'access_history']

t.test('a row says who opened it for whom and why, what ended it, and what the reviewer found', async (t) => {
  const { script, emergencies, settle } = await startReports(t)
  const [anna, ben] = [await script.staff('anna'), await script.staff('ben')]
  const patient = await script.patient('p-1')
  const time = Date.now() - 5 * hour
  const opened = await openEmergency(script, { subject: anna, patient, time, until: time + hour, purpose: 'ETREAT', reason: 'unconscious' })
  const about = { subject: anna, patient }
  await closeEmergency(script, { ...about, time: time + 20 * minute }, opened)
  await reviewEmergency(script, { ...about, time: time + 2 * hour }, opened, ben, { outcome: 'not_justified', note: 'no record of it' })
  await settle()
  const { rows } = await emergencies({})
  t.match(rows, [
    {
      entry: { id: opened.id, revision: opened.revision },
      subject: { type: 'staff', id: 'anna' },
      patientId: 'p-1',
      purpose: 'ETREAT',
      reason: 'unconscious',
      openedAt: at(time),
      until: at(time + hour),
      closedAt: at(time + 20 * minute),
      closedByCause: 'closed',
      accesses: 0n,
      reviewDue: at(time + 2 * hour),
      state: ReviewState.REVIEWED,
      reviewedAt: at(time + 2 * hour),
      reviewer: { type: 'staff', id: 'ben' },
      outcome: 'not_justified',
      note: 'no record of it',
    },
  ])
  const withheld = await emergencies({}, contextOf({ scopes: ['report.read'] }))
  t.match(withheld.rows, [{ reason: '', note: '', outcome: 'not_justified' }], 'words only with audit.unseal')
})

t.test('a review is overdue from the moment it is due, until it is done', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const [anna, ben] = [await script.staff('anna'), await script.staff('ben')]
  const patient = await script.patient('p-1')
  const time = script.nextTime()
  const due = time + 10 * hour
  const opened = await openEmergency(script, { subject: anna, patient, time, until: time + hour, reviewDue: due })
  await house.catchUp()
  const call = reportCallOf(house, script, projections)
  const stateAt = async (now: number, through?: bigint) =>
    (await emergencyReviews(call, { states: [], now: microseconds(now) }, { ...firstPage, through })).rows.map((row) => row.state)
  t.same([await stateAt(due - 1), await stateAt(due), await stateAt(due + 1)], [['pending'], ['overdue'], ['overdue']])
  await reviewEmergency(script, { subject: anna, patient, time: time + 2 * hour }, opened, ben)
  await house.catchUp()
  t.same([await stateAt(due - 1), await stateAt(due + 1)], [['reviewed'], ['reviewed']])
  t.same(await stateAt(due, opened.revision), ['overdue'], 'twin: to a report as of before the review it had not happened')
})

t.test('it counts the permits that this emergency gave, and nothing else', async (t) => {
  const { script, emergencies, settle } = await startReports(t)
  const [anna, ben] = [await script.staff('anna'), await script.staff('ben')]
  const [patient, other] = [await script.patient('p-1'), await script.patient('p-2')]
  const time = Date.now() - 5 * hour
  const opened = await openEmergency(script, { subject: anna, patient, time, until: time + hour })
  const second = await openEmergency(script, { subject: anna, patient, time: time + minute, until: time + hour })
  const by = (emergency: Written) => ({
    rule: `emergency/${emergency.id}`,
    reason_code: 'emergency_access',
    overrode: { reason_code: 'no_grant', rule: '' },
  })
  const access = { subject: anna, patient, time: time + 2 * minute }
  for (const later of [2, 3, 4]) await script.decided('permit', { ...access, time: time + later * minute }, by(opened))
  await script.decided('permit', { ...access, time }, by(opened))
  await script.decided('permit', { ...access, time: time + hour - 1 }, by(second))
  await script.decided('permit', access)
  await script.decided('probe', access, by(opened))
  await script.decided('deny', access, { rule: `emergency/${opened.id}` })
  await script.decided('permit', { subject: ben, patient: other, time: time + 5 * minute }, by({ ...opened, id: script.clinic }))
  await script.recorded({ ...access, time: time + 6 * minute })
  await settle()
  const { rows } = await emergencies({})
  t.same(
    rows?.map((row) => [row.entry?.id, row.accesses]),
    [
      [second.id, 1n],
      [opened.id, 4n],
    ],
  )
})

t.test('offboarding ends what is open, and what had ended by itself is not its doing', async (t) => {
  const { script, emergencies, settle } = await startReports(t)
  const anna = await script.staff('anna')
  const patient = await script.patient('p-1')
  const time = Date.now() - 5 * hour
  await openEmergency(script, { subject: anna, patient, time, until: time + hour })
  await openEmergency(script, { subject: anna, patient, time: time + minute, until: time + 4.5 * hour })
  await script.offboarded(anna, { time: time + 2 * hour })
  await settle()
  const { rows } = await emergencies({})
  t.match(rows, [
    { closedAt: at(time + 2 * hour), closedByCause: 'offboarded', state: ReviewState.PENDING },
    { closedAt: at(time + hour), closedByCause: 'expired', state: ReviewState.OVERDUE },
  ])
})

t.test('each filter leaves exactly the rows that match, newest first, and the question is recorded', async (t) => {
  const { script, emergencies, streamReport, settle, readings } = await startReports(t)
  const [anna, ben, carl] = [await script.staff('anna'), await script.staff('ben'), await script.staff('carl')]
  const [patient, other] = [await script.patient('p-1'), await script.patient('p-2')]
  const time = Date.now() - 5 * hour
  const one = await openEmergency(script, { subject: anna, patient, time, until: time + hour })
  const two = await openEmergency(script, {
    subject: ben,
    patient: other,
    time: time + hour,
    until: time + 2 * hour,
    reviewDue: time + 48 * hour,
  })
  const three = await openEmergency(script, { subject: anna, patient: other, time: time + 2 * hour, until: time + 3 * hour })
  await reviewEmergency(script, { subject: anna, patient: other, time: time + 4 * hour }, three, carl)
  await settle()
  const cases: readonly (readonly [object, readonly Written[]])[] = [
    [{}, [three, two, one]],
    [{ subject: { type: 'staff', id: 'anna' } }, [three, one]],
    [{ patientId: 'p-2' }, [three, two]],
    [{ patientId: 'p-2', subject: { type: 'staff', id: 'ben' } }, [two]],
    [{ subject: { type: 'staff', id: 'nobody' } }, []],
    [{ from: at(time + hour) }, [three, two]],
    [{ until: at(time + hour) }, [one]],
    [{ states: [ReviewState.REVIEWED] }, [three]],
    [{ states: [ReviewState.PENDING] }, [two]],
    [{ states: [ReviewState.OVERDUE] }, [one]],
    [{ states: [ReviewState.OVERDUE, ReviewState.REVIEWED, ReviewState.OVERDUE] }, [three, one]],
  ]
  for (const [query, expected] of cases) {
    const paged = await everyRow(
      async (page) => {
        const { rows = [], nextPageToken = '' } = await emergencies({ query, ...page })
        return { rows, nextPageToken }
      },
      [1, 2],
    )
    const streamed: (string | undefined)[] = []
    for await (const { item } of streamReport({ report: { case: 'emergencyReviews', value: query } })) {
      if (item?.case === 'emergencyReview') streamed.push(item.value.entry?.id)
    }
    const ids = expected.map(({ id }) => id)
    t.same(
      paged.map((row) => row.entry?.id),
      ids,
      JSON.stringify(Object.keys(query)),
    )
    t.same(streamed, ids)
  }
  t.match(readings.at(-1), { query: 'emergency_reviews', streamed: true, filter: { states: ['overdue', 'reviewed'] } })
  for (const query of [
    { states: [0] },
    { states: [4] },
    { patientId: 'x'.repeat(257) },
    { subject: { type: 'staff', id: '' } },
    { from: at(1), until: at(1) },
  ]) {
    await t.rejects(emergencies({ query }), fault('INVALID_ARGUMENT'), Object.keys(query).join(' '))
  }
})

t.test('an erased patient leaves the emergency and its review, without the words', async (t) => {
  const { house, script, settle } = await startReports(t)
  const [anna, ben] = [await script.staff('anna'), await script.staff('ben')]
  const patient = await script.patient('p-1')
  const time = Date.now() - 5 * hour
  const opened = await openEmergency(script, { subject: anna, patient, time, until: time + hour })
  await reviewEmergency(script, { subject: anna, patient, time: time + 2 * hour }, opened, ben, { note: 'seen' })
  house.keyStore.destroy('north', patient)
  await settle()
  const { rows } = await reportsOf(t, house, script, house.replicaVault()).emergencies({})
  t.match(rows, [{ patientId: `erased:${patient}`, reason: 'erased:', note: 'erased:', outcome: 'justified', subject: { id: 'anna' } }])
})

const step = fc.record({
  what: fc.constantFrom('open', 'open', 'close', 'expire', 'review', 'leave', 'return'),
  who: fc.nat(1),
  which: fc.nat(5),
  /** Minutes since the step before. */
  later: fc.nat(40),
  minutes: fc.integer({ min: 1, max: 90 }),
})

t.test('over random ledgers it tells of every emergency what the fold of the state tells', async (t) => {
  const house = await createProjectionHouse(t)
  let clinics = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 16 }), async (steps) => {
      clinics += 1
      const script = await house.script(`c-${clinics}`)
      const people: SubjectReference[] = [await script.staff('anna'), await script.staff('ben')]
      const patient: Pseudonym = await script.patient('p-1')
      const opened: (Written & { readonly subject: SubjectReference })[] = []
      let time = script.nextTime()
      for (const { what, who, which, later, minutes } of steps) {
        time += later * minute
        const subject = people[who] as SubjectReference
        const named = opened[which % Math.max(1, opened.length)]
        if (what === 'open') {
          opened.push({ ...(await openEmergency(script, { subject, patient, time, until: time + minutes * minute })), subject })
        } else if (what === 'leave') await script.offboarded(subject, { time })
        else if (what === 'return') await script.reinstated(subject, time)
        else if (named !== undefined) {
          const about = { subject: named.subject, patient, time }
          if (what === 'review') await reviewEmergency(script, about, named, subject)
          else await closeEmergency(script, about, named, what === 'close' ? 'closed' : 'expired')
        }
      }
      await house.catchUp()
      const state = emptyState()
      for (const entry of await house.entries()) {
        if (entry.clinic === script.clinic) evolve(state, decodeEntry(entry) as AccessEvent)
      }
      const query: EmergencyReviewsQuery = { states: ['pending', 'overdue'], now: microseconds(time) }
      const { rows } = await emergencyReviews(reportCallOf(house, script, projections), query, firstPage)
      t.same(
        rows.map((row) => [row.entry.id, row.closed !== undefined, row.closed?.at ?? row.until, row.state === 'overdue']),
        [...state.emergencies.byId.values()]
          .toReversed()
          .map((emergency) => [emergency.id, emergency.closed, emergency.until, time >= emergency.reviewDue]),
      )
    }),
    { numRuns: 15 },
  )
})
