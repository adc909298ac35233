/** Concerns with their answers, and the mark that they leave on the access they are about. */
import t from 'tap'
import { ConcernKind, ConcernOutcome } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import { fault } from '../../support/fault.ts'
import type { Written } from '../../support/ledger-script.ts'
import { at } from '../../support/recordings.ts'
import { contextOf, everyRow, reportsOf, startReports } from '../../support/reports.ts'
import { writeAnswer, writeConcern } from '../../support/scripted-recordings.ts'

const day = 86_400_000

t.test('a concern stands with its answers, oldest first, until one of them ends it', async (t) => {
  const { script, concerns, settle } = await startReports(t)
  const [ben, kim] = [await script.staff('ben'), await script.staff('kim')]
  const patient = await script.patient('p-1')
  const raised = Date.now() - 10 * day
  const access = await script.decided('permit', { subject: ben, patient })
  const concern = await writeConcern(script, { patient, by: ben, at: raised, about: access.id, kind: 'correction', text: 'Wrong date' })
  await settle()
  t.match((await concerns({})).rows, [
    {
      entry: { id: concern.id, revision: concern.revision },
      kind: ConcernKind.CORRECTION,
      patientId: 'p-1',
      aboutEntryId: access.id,
      text: 'Wrong date',
      raisedAt: at(raised),
      recordedBy: { type: 'staff', id: 'ben' },
      due: at(raised + 60 * day),
      answers: { length: 0 },
      open: true,
    },
  ])
  await writeAnswer(script, { patient, by: kim, at: raised + 3 * day, text: 'We ask the lab' }, concern, 'pending')
  const early = await writeAnswer(script, { patient, by: kim, at: raised + day, text: 'Received' }, concern, 'pending')
  await settle()
  t.match((await concerns({ query: { openOnly: true } })).rows, [
    {
      open: true,
      answers: [
        {
          entry: { id: early.id },
          outcome: ConcernOutcome.PENDING,
          text: 'Received',
          answeredAt: at(raised + day),
          recordedBy: { id: 'kim' },
        },
        { outcome: ConcernOutcome.PENDING, text: 'We ask the lab' },
      ],
    },
  ])
  await writeAnswer(script, { patient, by: kim, at: raised + 4 * day }, concern, 'partly_accepted')
  await settle()
  t.match((await concerns({})).rows, [{ open: false, answers: [{}, {}, { outcome: ConcernOutcome.PARTLY_ACCEPTED }] }])
  t.same((await concerns({ query: { openOnly: true } })).rows, [])
  const withheld = await concerns({}, contextOf({ scopes: ['report.read'] }))
  t.match(withheld.rows, [{ text: '', answers: [{ text: '' }, { text: '' }, { text: '' }] }], 'words only with audit.unseal')
})

t.test('a concern of a time to come is due sixty days from when it was recorded', async (t) => {
  const { script, concerns, settle } = await startReports(t)
  const [by, patient] = [await script.staff('ben'), await script.patient('p-1')]
  const { time } = await writeConcern(script, { patient, by, at: Date.now() + 104 * day })
  await settle()
  t.match((await concerns({})).rows, [{ due: at(time + 60 * day), open: true }])
})

t.test('each outcome but pending ends a concern', async (t) => {
  const { script, concerns, settle } = await startReports(t)
  const by = await script.staff('ben')
  const patient = await script.patient('p-1')
  const outcomes = ['accepted', 'partly_accepted', 'denied', 'withdrawn', 'pending'] as const
  const start = Date.now() - day
  for (const [index, outcome] of outcomes.entries()) {
    const concern = await writeConcern(script, { patient, by, at: start + index })
    await writeAnswer(script, { patient, by, at: start + index }, concern, outcome)
  }
  await settle()
  t.same(
    (await concerns({})).rows?.map((row) => [ConcernOutcome[row.answers?.[0]?.outcome ?? 0]?.toLowerCase(), row.open]),
    outcomes.toReversed().map((outcome) => [outcome, outcome === 'pending']),
  )
})

t.test('each filter leaves exactly the rows that match, newest first, and the question is recorded', async (t) => {
  const { script, concerns, streamReport, settle, readings } = await startReports(t)
  const by = await script.staff('ben')
  const [patient, other] = [await script.patient('p-1'), await script.patient('p-2')]
  const start = Date.now() - 10 * day
  const access = await script.decided('permit', { subject: by, patient })
  const one = await writeConcern(script, { patient, by, at: start + 2, about: access.id })
  const two = await writeConcern(script, { patient, by, at: start + 1, kind: 'complaint' })
  const three = await writeConcern(script, { patient: other, by, at: start + 2, kind: 'correction' })
  await writeAnswer(script, { patient, by, at: start + 5 }, two, 'denied')
  await settle()
  const cases: readonly (readonly [object, readonly Written[]])[] = [
    [{}, [three, one, two]],
    [{ patientId: 'p-1' }, [one, two]],
    [{ patientId: 'p-3' }, []],
    [{ entryId: access.id.toUpperCase() }, [one]],
    [{ kinds: [ConcernKind.COMPLAINT, ConcernKind.CORRECTION] }, [three, two]],
    [{ openOnly: true }, [three, one]],
    [{ openOnly: true, patientId: 'p-1' }, [one]],
    [{ from: at(start + 2) }, [three, one]],
    [{ until: at(start + 2) }, [two]],
  ]
  for (const [query, expected] of cases) {
    const ids = expected.map(({ id }) => id)
    const paged = await everyRow(
      async (page) => {
        const { rows = [], nextPageToken = '' } = await concerns({ query, ...page })
        return { rows, nextPageToken }
      },
      [1, 2],
    )
    t.same(
      paged.map((row) => row.entry?.id),
      ids,
      Object.keys(query).join(' '),
    )
    const streamed: (string | undefined)[] = []
    for await (const { item } of streamReport({ report: { case: 'concerns', value: query } })) {
      if (item?.case === 'concern') streamed.push(item.value.entry?.id)
    }
    t.same(streamed, ids)
  }
  await concerns({ query: { patientId: 'p-1', entryId: access.id, kinds: [ConcernKind.DISPUTE], openOnly: true } })
  t.match(readings.at(-1), {
    query: 'concerns',
    patientId: 'p-1',
    filter: { patient_id: 'p-1', entry_id: access.id, kinds: ['dispute'], open_only: true },
  })
  for (const query of [
    { entryId: 'seven' },
    { kinds: [ConcernKind.ANSWER] },
    { kinds: [0] },
    { kinds: [9] },
    { patientId: 'a\0' },
    { from: at(2), until: at(1) },
  ]) {
    await t.rejects(concerns({ query }), fault('INVALID_ARGUMENT'), Object.keys(query).join(' '))
  }
})

t.test('an access that a concern is about is marked in the history, and is otherwise as it was', async (t) => {
  const { script, history, patient: patientReport, activity, settle } = await startReports(t)
  const ben = await script.staff('ben')
  const [patient, other] = [await script.patient('p-1'), await script.patient('p-2')]
  const disputed = await script.recorded({ subject: ben, patient }, { flags: ['purpose_unstated'] })
  const untouched = await script.recorded({ subject: ben, patient })
  await settle()
  const flags = async (): Promise<unknown> => {
    const { rows } = await history({ filter: { patientId: 'p-1' } })
    return Object.fromEntries((rows ?? []).map((row) => [row.entry?.id, row.flags]))
  }
  const before = { [disputed.id]: ['purpose_unstated'], [untouched.id]: [] }
  t.same(await flags(), before)
  const elsewhere = await writeConcern(script, { patient: other, by: ben, at: Date.now() })
  await writeAnswer(script, { patient: other, by: ben, at: Date.now() }, elsewhere, 'denied')
  await settle()
  t.same(await flags(), before, 'a concern about something else leaves no mark')
  const concern = await writeConcern(script, { patient, by: ben, at: Date.now(), about: disputed.id })
  await writeConcern(script, { patient, by: ben, at: Date.now(), about: disputed.id, kind: 'complaint' })
  await settle()
  const after = { ...before, [disputed.id]: ['purpose_unstated', 'disputed'] }
  t.same(await flags(), after)
  const marked = [disputed.id, ['purpose_unstated', 'disputed']]
  const { rows: told } = await patientReport({ query: { patientId: 'p-1' } })
  t.same(told?.map((row) => [row.entry?.id, row.flags]).at(-1), marked, 'the patient is told the same')
  const { rows: done } = await activity({ query: { subject: { type: 'staff', id: 'ben' } } })
  t.same(
    done?.map((row) => [row.entry?.id, row.access?.flags]).find(([id]) => id === disputed.id),
    marked,
    'and so is the report of the person',
  )
  await writeAnswer(script, { patient, by: ben, at: Date.now() }, concern, 'denied')
  await settle()
  t.same(await flags(), after, 'the answer does not take the mark away')
})

t.test('an erased patient leaves the concerns and their outcomes, without a word of the text', async (t) => {
  const { house, script, settle } = await startReports(t)
  const by = await script.staff('ben')
  const patient = await script.patient('p-1')
  const concern = await writeConcern(script, { patient, by, at: Date.now() - day })
  await writeAnswer(script, { patient, by, at: Date.now() }, concern, 'accepted')
  house.keyStore.destroy('north', patient)
  await settle()
  const { rows } = await reportsOf(t, house, script, house.replicaVault()).concerns({})
  t.match(rows, [
    { patientId: `erased:${patient}`, text: 'erased:', answers: [{ text: 'erased:', outcome: ConcernOutcome.ACCEPTED }], open: false },
  ])
})
