/** The accounting of disclosures: six years to the moment, what it leaves out, and repeats as one row. */
import fc from 'fast-check'
import t from 'tap'
import { DisclosureCategory } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { DisclosureRecorded, SubjectReference } from '../../../services/access/events.ts'
import type { Pseudonym } from '../../../services/audit/vault.ts'
import { type DisclosuresQuery, disclosures, sixYearsBefore } from '../../../services/projections/reports/disclosures.ts'
import { fault } from '../../support/fault.ts'
import { createProjectionHouse } from '../../support/projections.ts'
import { at } from '../../support/recordings.ts'
import { firstPage, reportCallOf } from '../../support/report-call.ts'
import { contextOf, everyRow, reportsOf, startReports } from '../../support/reports.ts'
import { writeDisclosure } from '../../support/scripted-recordings.ts'

const day = 86_400_000
const now = Date.parse('2028-02-29T12:00:00.000Z')
const microseconds = (time: number): bigint => BigInt(time) * 1_000n
const accounting: DisclosuresQuery = { includeExcluded: false, includeSuspended: false, groupRepeats: false, now: microseconds(now) }

t.test('six years back is the same moment of the calendar, and the last day of February where there is no 29th', async (t) => {
  const before = (time: string): string => new Date(Number(sixYearsBefore(microseconds(Date.parse(time))) / 1_000n)).toISOString()
  t.equal(before('2028-02-29T12:00:00.000Z'), '2022-02-28T12:00:00.000Z')
  t.equal(before('2030-02-28T23:59:59.999Z'), '2024-02-28T23:59:59.999Z')
  t.equal(before('2030-03-01T00:00:00.000Z'), '2024-03-01T00:00:00.000Z')
  t.equal(before('2026-12-31T23:59:59.999Z'), '2020-12-31T23:59:59.999Z')
  t.equal(before('1972-05-05T00:00:00.001Z'), '1966-05-05T00:00:00.001Z')
  t.equal(sixYearsBefore(microseconds(now) + 7n) % 1_000n, 7n, 'to the microsecond')
})

t.test('the accounting holds what was disclosed in the six years before it is asked for, to the millisecond', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const by = await script.staff('ben')
  const patient = await script.patient('p-1')
  const sixYears = Date.parse('2022-02-28T12:00:00.000Z')
  for (const time of [sixYears - 1, sixYears, sixYears + 1, now - 1, now, now + 1]) await writeDisclosure(script, { patient, by, at: time })
  await house.catchUp()
  const call = reportCallOf(house, script, ['disclosures'])
  const read = async (query: Partial<DisclosuresQuery>) =>
    (await disclosures(call, { ...accounting, ...query }, firstPage)).rows.map((row) => row.disclosedAt)
  t.same(await read({}), [now - 1, sixYears + 1, sixYears])
  t.same(await read({ until: microseconds(now + 1) }), [now, now - 1, sixYears + 1], 'six years before `until`')
  t.same(await read({ from: microseconds(sixYears - 1) }), [now - 1, sixYears + 1, sixYears, sixYears - 1])
  t.same(await read({ from: microseconds(now), until: microseconds(now + 2) }), [now + 1, now])
})

t.test('what an accounting may leave out is left out unless asked for, and marked', async (t) => {
  const { script, disclosures, settle } = await startReports(t)
  const by = await script.staff('ben')
  const patient = await script.patient('p-1')
  const categories: readonly DisclosureRecorded['category'][] = [
    'accountable',
    'treatment_payment_operations',
    'to_individual',
    'incidental',
    'authorized',
    'directory',
    'national_security',
    'custodial',
    'limited_data_set',
  ]
  const start = Date.now() - 30 * day
  for (const [index, category] of categories.entries()) await writeDisclosure(script, { patient, by, at: start + index, category })
  await settle()
  t.match((await disclosures({})).rows, [{ category: DisclosureCategory.ACCOUNTABLE }])
  t.equal((await disclosures({})).rows?.length, 1)
  const all = await disclosures({ query: { includeExcluded: true } })
  t.same(
    all.rows?.map((row) => DisclosureCategory[row.category ?? 0]?.toLowerCase()),
    categories.toReversed(),
  )
})

t.test('what is kept out of the accounting for now stays out until its moment has come', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const by = await script.staff('ben')
  const patient = await script.patient('p-1')
  await writeDisclosure(script, { patient, by, at: now - day, recipient: 'Police', suspendedUntil: now })
  await house.catchUp()
  const call = reportCallOf(house, script, ['disclosures'])
  /** Whether the accounting of this moment shows it. */
  const shows = async (time: number, query: Partial<DisclosuresQuery> = {}): Promise<boolean> => {
    const asked = { ...accounting, until: microseconds(now + day), now: microseconds(time), ...query }
    return (await disclosures(call, asked, firstPage)).rows.length === 1
  }
  t.same([await shows(now - 1), await shows(now), await shows(now + 1)], [false, true, true])
  t.ok(await shows(now - 1, { includeSuspended: true }), 'twin: with the suspended ones let in, the same question finds it')
  const [row] = (await disclosures(call, { ...accounting, includeSuspended: true }, firstPage)).rows
  t.match(row, { recipientName: 'Police', suspendedUntil: now }, 'and it says until when')
  const [over] = (await disclosures(call, { ...accounting, until: microseconds(now + day), now: microseconds(now) }, firstPage)).rows
  t.equal(over?.recipientName, 'Police')
  t.equal(over?.suspendedUntil, undefined, 'once over, the patient does not learn that silence was asked for')
})

t.test('repeats are one row: the first in full, how many, and the last', async (t) => {
  const { script, disclosures, settle } = await startReports(t)
  const [ben, kim] = [await script.staff('ben'), await script.staff('kim')]
  const [patient, other] = [await script.patient('p-1'), await script.patient('p-2')]
  const start = Date.now() - 100 * day
  const first = await writeDisclosure(script, { patient, by: ben, at: start, description: 'The first', address: '1 Market Square' })
  await writeDisclosure(script, { patient, by: kim, at: start + 2 * day, description: 'The last' })
  await writeDisclosure(script, { patient, by: kim, at: start + day, description: 'Between, recorded late' })
  await writeDisclosure(script, { patient: other, by: ben, at: start + 3 * day })
  await writeDisclosure(script, { patient, by: ben, at: start + 4 * day, category: 'authorized' })
  await settle()
  const query = { groupRepeats: true }
  const { rows } = await disclosures({ query })
  t.match(rows, [
    { patientId: 'p-2', disclosures: 1n },
    {
      entry: { id: first.id, revision: first.revision },
      patientId: 'p-1',
      disclosedAt: at(start),
      recipientName: 'Health office',
      recipientAddress: '1 Market Square',
      description: 'The first',
      purpose: 'Reporting',
      recordedBy: { type: 'staff', id: 'ben' },
      disclosures: 3n,
      lastDisclosedAt: at(start + 2 * day),
    },
  ])
  t.equal(rows?.length, 2)
  const excluded = await disclosures({ query: { ...query, includeExcluded: true } })
  t.match(
    excluded.rows,
    [{ category: DisclosureCategory.AUTHORIZED, disclosures: 1n }, {}, { disclosures: 3n }],
    'a category is a group of its own',
  )
  const later = await disclosures({ query: { ...query, from: at(start + 1), patientId: 'p-1' } })
  t.match(later.rows, [{ description: 'Between, recorded late', disclosures: 2n }], 'the first of the period asked for')
  const single = await disclosures({ query: { patientId: 'p-1' } })
  t.same(
    single.rows?.map((row) => [row.description, row.disclosures]),
    [
      ['The last', 1n],
      ['Between, recorded late', 1n],
      ['The first', 1n],
    ],
  )
})

t.test('the reading is recorded with the whole question, and text is shown only with audit.unseal', async (t) => {
  const { script, disclosures, settle, readings } = await startReports(t)
  const by = await script.staff('ben')
  const patient = await script.patient('p-1')
  await writeDisclosure(script, { patient, by, at: Date.now() - day, address: '1 Market Square' })
  await settle()
  const query = { patientId: 'p-1', includeExcluded: true, includeSuspended: true, groupRepeats: true, from: at(0) }
  await disclosures({ query })
  t.match(readings.at(-1), {
    query: 'disclosures',
    streamed: false,
    patientId: 'p-1',
    filter: {
      patient_id: 'p-1',
      from: '1970-01-01T00:00:00.000000Z',
      include_excluded: true,
      include_suspended: true,
      group_repeats: true,
    },
  })
  const withheld = await disclosures({ query }, contextOf({ scopes: ['report.read'] }))
  t.match(withheld.rows, [{ recipientName: '', recipientAddress: '', description: '', purpose: '', patientId: 'p-1', disclosures: 1n }])
})

t.test('an erased patient leaves the rows and their numbers, without a word of the text', async (t) => {
  const { house, script, settle } = await startReports(t)
  const by = await script.staff('ben')
  const patient = await script.patient('p-1')
  for (const ago of [3, 2, 1]) await writeDisclosure(script, { patient, by, at: Date.now() - ago * day })
  house.keyStore.destroy('north', patient)
  await settle()
  const replica = reportsOf(t, house, script, house.replicaVault())
  const { rows } = await replica.disclosures({ query: { groupRepeats: true } })
  t.match(rows, [{ patientId: `erased:${patient}`, recipientName: 'erased:', description: 'erased:', purpose: 'erased:', disclosures: 3n }])
  t.equal(rows?.length, 1)
  t.equal((await replica.disclosures({})).rows?.length, 3)
})

t.test('what is wrong in a question is named, and nothing is read', async (t) => {
  const { disclosures, readings } = await startReports(t)
  for (const query of [
    { patientId: 'x'.repeat(257) },
    { patientId: 'a\0' },
    { from: { seconds: 0n, nanos: -1 } },
    { until: { seconds: 253_402_300_800n, nanos: 0 } },
    { from: at(day), until: at(day) },
    { from: at(day), until: at(0) },
  ]) {
    await t.rejects(disclosures({ query }), fault('INVALID_ARGUMENT'), JSON.stringify(Object.keys(query)))
  }
  await t.rejects(disclosures({ pageSize: 1_001 }), fault('INVALID_ARGUMENT'))
  await t.rejects(disclosures({ clinic: '' }), fault('INVALID_ARGUMENT'))
  t.equal(readings.length, 0)
})

interface Plain {
  readonly patient: number
  readonly recipient: number
  readonly category: DisclosureRecorded['category']
  readonly at: number
  readonly suspendedUntil: number | undefined
}

const plain = fc.record<Plain>({
  patient: fc.nat(2),
  recipient: fc.nat(1),
  category: fc.constantFrom('accountable', 'accountable', 'authorized'),
  at: fc.integer({ min: -8, max: 2 }).map((years) => now + years * 366 * day),
  suspendedUntil: fc.option(fc.constantFrom(now - 1, now, now + 1, now + 2), { nil: undefined }),
})
const asked = fc.record({
  patient: fc.option(fc.nat(2), { nil: undefined }),
  from: fc.option(fc.integer({ min: -9, max: 1 }), { nil: undefined }),
  length: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
  includeExcluded: fc.boolean(),
  includeSuspended: fc.boolean(),
  groupRepeats: fc.boolean(),
  limits: fc.array(fc.constantFrom(1, 2, 3, 50), { minLength: 1, maxLength: 3 }),
})

t.test('over random ledgers it equals what plain lists say, however the pages are cut', async (t) => {
  const house = await createProjectionHouse(t)
  let clinics = 0
  await fc.assert(
    fc.asyncProperty(fc.array(plain, { maxLength: 14 }), fc.array(asked, { minLength: 4, maxLength: 4 }), async (written, questions) => {
      clinics += 1
      const script = await house.script(`c-${clinics}`)
      const by: SubjectReference = await script.staff('ben')
      const patients: Pseudonym[] = []
      for (const id of ['p-0', 'p-1', 'p-2']) patients.push(await script.patient(id))
      const rows: (Plain & { readonly revision: bigint })[] = []
      for (const row of written) {
        const { patient, recipient, suspendedUntil, ...rest } = row
        const { revision } = await writeDisclosure(script, {
          ...rest,
          by,
          patient: patients[patient] as Pseudonym,
          recipient: `recipient ${recipient}`,
          ...(suspendedUntil === undefined ? {} : { suspendedUntil }),
        })
        rows.push({ ...row, revision })
      }
      await house.catchUp()
      const call = reportCallOf(house, script, ['disclosures'])
      for (const question of questions) {
        const from = question.from === undefined ? undefined : now + question.from * 366 * day
        const until = question.length === undefined ? undefined : (from ?? now) + question.length * 366 * day
        const end = until ?? now
        const start = from ?? Number(sixYearsBefore(microseconds(end)) / 1_000n)
        const counted = rows
          .filter((row) => row.at >= start && row.at < end)
          .filter((row) => question.patient === undefined || row.patient === question.patient)
          .filter((row) => question.includeExcluded || row.category === 'accountable')
          .filter((row) => question.includeSuspended || row.suspendedUntil === undefined || row.suspendedUntil <= now)
          .sort((left, right) => left.at - right.at || Number(left.revision - right.revision))
        const suspension = (row: Plain) => (row.suspendedUntil !== undefined && row.suspendedUntil > now ? row.suspendedUntil : 0)
        const groups = Map.groupBy(counted, (row) =>
          question.groupRepeats ? `${row.patient} ${row.recipient} ${row.category} ${suspension(row)}` : String(row.revision),
        )
        const expected = [...groups.values()]
          .map((group) => ({ first: group[0] as (typeof rows)[number], last: group.at(-1) as (typeof rows)[number], number: group.length }))
          .sort((left, right) => right.last.at - left.last.at || Number(right.last.revision - left.last.revision))
          .map(({ first, last, number }) => [
            String(first.revision),
            first.at,
            number,
            last.at,
            first.category,
            `recipient ${first.recipient}`,
          ])
        const query = {
          includeExcluded: question.includeExcluded,
          includeSuspended: question.includeSuspended,
          groupRepeats: question.groupRepeats,
          now: microseconds(now),
          ...(from === undefined ? {} : { from: microseconds(from) }),
          ...(until === undefined ? {} : { until: microseconds(until) }),
          ...(question.patient === undefined ? {} : { patient: patients[question.patient] as Pseudonym }),
        }
        const found: unknown[] = []
        let page = await disclosures(call, query, { ...firstPage, limit: question.limits[0] ?? 1 })
        for (let index = 1; ; index += 1) {
          found.push(
            ...page.rows.map((row) => [
              String(row.entry.revision),
              row.disclosedAt,
              Number(row.disclosures),
              row.lastDisclosedAt,
              row.category,
              row.recipientName,
            ]),
          )
          if (page.next === undefined) break
          const limit = question.limits[index % question.limits.length] ?? 1
          page = await disclosures(call, query, { through: page.completeTo, after: page.next, limit })
        }
        t.same(found, expected)
      }
    }),
    { numRuns: 15 },
  )
})

t.test(
  'the pages of one report are of one moment: what is recorded meanwhile does not disturb them, and the stream has the same rows',
  async (t) => {
    const { script, disclosures, streamReport, settle } = await startReports(t)
    const by = await script.staff('ben')
    const patient = await script.patient('p-1')
    for (let number = 0; number < 12; number += 1) {
      await writeDisclosure(script, { patient, by, at: Date.now() - (number + 1) * day, recipient: `office ${number % 5}` })
    }
    await settle()
    const query = { groupRepeats: true }
    const streamed: (string | undefined)[] = []
    for await (const { item } of streamReport({ report: { case: 'disclosures', value: query } })) {
      if (item?.case === 'disclosure') streamed.push(item.value.recipientName)
      if (item?.case === 'end') t.equal(item.value.items, 5n)
    }
    const paged = await everyRow(
      async (page, index) => {
        if (index === 1) {
          await writeDisclosure(script, { patient, by, at: Date.now() - 1_000, recipient: 'office 4' })
          await settle()
        }
        const { rows = [], nextPageToken = '' } = await disclosures({ query, ...page })
        return { rows, nextPageToken }
      },
      [2],
    )
    t.same(
      paged.map((row) => row.recipientName),
      streamed,
    )
    t.same(streamed, ['office 0', 'office 1', 'office 2', 'office 3', 'office 4'])
    t.equal((await disclosures({ query })).rows?.[0]?.recipientName, 'office 4', 'a new report shows it first')
  },
)
