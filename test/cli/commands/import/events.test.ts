/** The import of events against a running service: what is recorded, what is not, and what is said of it. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'csv-parse/sync'
import t from 'tap'
import { mammographyMapping, ndjson, r4Event, r5Event, realEvents, realEventsFile, without } from '../../../support/fhir-events.ts'
import { northOverCli } from '../../../support/north-over-cli.ts'

t.setTimeout(240_000)

const { chartwarden } = await northOverCli(t)
const directory = t.testdir()
let written = 0
/** A file of the test's with this text. */
const file = (text: string | Buffer): string => {
  written += 1
  const name = path.join(directory, `${written}.ndjson`)
  writeFileSync(name, text)
  return name
}
const importEvents = (events: string, ...more: string[]) => chartwarden('import', 'events', events, '--clinic', 'north', ...more)
const head = async (): Promise<number> => Number((await chartwarden('ledger', 'head', '--clinic', 'north')).out)

interface Row {
  readonly kind: string
  readonly occurred_at: string
  readonly subject: { readonly type: string; readonly id: string }
  readonly action: string
  readonly resource_type: string
  readonly resource_id: string
  readonly patient_id: string
  readonly purpose: string
  readonly reason: string
  readonly flags: readonly string[]
  readonly entry: { readonly time: string }
}
const historyOf = async (...filter: string[]): Promise<readonly Row[]> => {
  const { out, err, code } = await chartwarden(
    ...['report', 'access', '--clinic', 'north', '--kind', 'performed', '--format', 'ndjson'],
    ...['--wait-for-revision', String(await head()), ...filter],
  )
  if (code !== 0) throw new Error(err)
  return out
    .trim()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Row)
}
const lines = (out: string) =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

t.test('strict refuses all of the 827 real events, each with its number and reasons, and records nothing', async (t) => {
  const before = await head()
  const { code, out, err } = await importEvents(realEventsFile, '--mapping', mammographyMapping, '--format', 'ndjson')
  t.equal(code, 2)
  const rows = lines(out)
  t.match(rows.at(-1), { end: { events: 827, refused: 827, accesses: 0, recorded: 0 } })
  const refused = rows.slice(0, -1)
  t.equal(new Set(refused.map(({ line }) => line)).size, 827, 'every line is listed')
  for (const field of ['recorded', 'source']) t.equal(refused.filter((row) => row.field === field).length, 827, field)
  t.match(err, /Nothing was recorded/)
  t.equal(await head(), before, 'the ledger has not one entry more')
})

t.test('lenient records the 827 as their README describes, lists what it filled in, and a repeat adds nothing', async (t) => {
  const before = await head()
  const first = await importEvents(realEventsFile, '--lenient', '--mapping', mammographyMapping, '--format', 'ndjson')
  t.equal(first.code, 0, first.err)
  const findings = lines(first.out)
  t.match(findings.at(-1), { end: { events: 827, recorded: 827, there_already: 0, refused: 0, purpose_unstated: 827 } })
  const filled = findings.slice(0, -1).filter(({ finding }) => finding === 'filled in')
  const count = (field: string): number => filled.filter((row) => row.field === field).length
  t.same(
    [count('recorded'), count('source.observer'), count('agent.who'), count('patient'), count('authorization')],
    [827, 827, 2, 826, 827],
  )
  t.match(
    filled.filter(({ field }) => field === 'agent.who').map(({ event }) => event),
    ['5', '8'],
  )
  t.equal(count('resource_type'), 0, 'the mapping says it')

  const rows = await historyOf()
  t.equal(rows.length, 827)
  t.equal(new Set(rows.map(({ subject }) => `${subject.type}:${subject.id}`)).size, 100)
  t.equal(new Set(rows.map((row) => row.patient_id)).size, 100)
  t.equal(rows.filter(({ subject }) => subject.id === '4').length, 9, 'the first case')
  t.equal(rows.filter((row) => row.patient_id === '5').length, 9, 'whose patient one of its events names')
  const counted = Object.groupBy(rows, (row) => `${row.resource_type} ${row.action}`)
  t.same(Object.fromEntries(Object.entries(counted).map(([name, found]) => [name, found?.length])), {
    'appointment create': 100,
    'personal_details update': 100,
    'imaging create': 122,
    'clinical_note create': 100,
    'clinical_note update': 5,
    'imaging share': 100,
    'imaging read': 100,
    'treatment_record create': 100,
    'treatment_record read': 100,
  })
  t.ok(rows.every(({ purpose, flags }) => purpose === 'UNSTATED' && flags.includes('purpose_unstated')))

  const occurred = realEvents().map(({ occurredDateTime }) => Date.parse(occurredDateTime as string))
  t.same(
    rows.map((row) => Date.parse(row.occurred_at)),
    occurred.toSorted((left, right) => right - left),
    'every instant, in order of occurrence',
  )
  const ahead = rows.filter(({ flags }) => flags.includes('future_dated'))
  t.equal(ahead.length, occurred.filter((at) => at > Date.now()).length)
  t.ok(ahead.filter((row) => row.occurred_at >= '2027').length === 546, '546 lie after 2026')
  t.ok(
    rows.every(({ entry }) => Math.abs(Date.parse(entry.time) - Date.now()) < 240_000),
    'recorded now',
  )

  const after = await head()
  t.ok(after >= before + 827)
  const again = await importEvents(realEventsFile, '--lenient', '--mapping', mammographyMapping, '--format', 'ndjson')
  t.match(lines(again.out).at(-1), { end: { recorded: 0, there_already: 827, refused: 0 } })
  t.equal(again.code, 0)
  t.match(again.err, /0 recorded, 827 there already/)
  t.equal(await head(), after, 'and the ledger is as it was')
})

t.test('line feeds survive into files, and a terminal sees them escaped', async (t) => {
  const filter = ['--patient', '5', '--type', 'personal_details', '--kind', 'performed', '--clinic', 'north']
  const [row] = await historyOf('--patient', '5', '--type', 'personal_details')
  t.equal(row?.reason, 'Register\npatient')
  const csv = await chartwarden('report', 'access', ...filter, '--format', 'csv')
  const [parsed] = parse(csv.out, { columns: true }) as { reason: string; occurred_at: string; recorded_at: string }[]
  t.equal(parsed?.reason, 'Register\npatient')
  t.equal(parsed?.occurred_at, '2028-07-25T12:30:40.000Z', 'the instant of 14:30:40+02:00')
  t.equal(parsed?.recorded_at, new Date(row?.entry.time as string).toISOString(), 'both times are shown')
  const shown = await chartwarden('report', 'access', ...filter)
  t.match(shown.out, /Register\\npatient/)
  t.match(shown.out, /OCCURRED_AT +RECORDED_AT/)
})

t.test('without a mapping of its own, lenient takes the codes of IHE SOLE and says so', async (t) => {
  const { code, out } = await importEvents(realEventsFile, '--lenient', '--dry-run', '--format', 'ndjson')
  t.equal(code, 0)
  t.match(lines(out).at(-1), { end: { accesses: 827, refused: 0, recorded: 0, dry_run: true } })
  t.equal(lines(out).filter(({ field }) => field === 'resource_type').length, 827)
})

t.test('valid events of R4 and R5 are recorded as they say', async (t) => {
  const events = file(
    ndjson(
      r4Event('a-1', { recorded: '2025-10-26T02:30:00+02:00' }),
      r5Event('a-2', { occurredDateTime: '2025-10-26T02:30:00+01:00', authorization: [{ coding: [{ code: 'HPAYMT' }] }] }),
      without(r5Event('a-3', { occurredDateTime: '2025-10-26T03:00:00+01:00' }), 'authorization'),
    ),
  )
  const { code, err } = await importEvents(events, '--source', 'pacs')
  t.equal(code, 0, err)
  t.match(err, /3 recorded, 0 there already/)
  t.match(err, /1 access names no purpose: kept as UNSTATED and flagged/)
  const found = (await historyOf('--subject', 'staff:d-17')).toReversed()
  t.match(found, [
    {
      occurred_at: '2025-10-26T00:30:00Z',
      purpose: 'TREAT',
      resource_id: 'img-1',
      resource_type: 'imaging',
      action: 'read',
      patient_id: 'p-1',
    },
    { occurred_at: '2025-10-26T01:30:00Z', purpose: 'HPAYMT', reason: 'Open\nimage' },
    { occurred_at: '2025-10-26T02:00:00Z', purpose: 'UNSTATED', flags: ['purpose_unstated'] },
  ])
  const { out } = await chartwarden('ledger', 'read', '--clinic', 'north', '--unseal')
  t.ok(out.includes('import:pacs/AuditEvent/a-1'), 'where it comes from stands in the entry')
})

t.test('one line that is refused keeps the whole file out; lenient refuses that line alone', async (t) => {
  const before = await head()
  const events = file(ndjson(r4Event('b-1'), r4Event('b-2', { outcome: 0 }), r4Event('b-3')))
  const strict = await importEvents(events)
  t.equal(strict.code, 2)
  t.match(strict.out, /^2 +b-2 +refused +outcome +- +must be one of/m)
  t.equal(await head(), before)
  const lenient = await importEvents(events, '--lenient')
  t.equal(lenient.code, 9)
  t.match(lenient.err, /2 recorded, 0 there already/)
  t.match(lenient.out, /^2 +b-2 +refused +outcome/m)
  t.equal((await head()) > before, true)
})

t.test(
  'an event that is there with other content is a mismatch of its line and changes nothing; another source is another event',
  async (t) => {
    await importEvents(file(ndjson(r4Event('c-1'), r4Event('c-2'))))
    const before = await head()
    const changed = file(ndjson(r4Event('c-1', { recorded: '2026-03-02T09:31:00+01:00' }), r4Event('c-2')))
    const { code, out, err } = await importEvents(changed)
    t.equal(code, 2)
    t.match(out, /^1 +c-1 +refused +- +REQUEST_MISMATCH/m)
    t.match(err, /Nothing was recorded/)
    t.equal(await head(), before)
    const late = file(ndjson(r4Event('c-3'), r4Event('c-1', { recorded: '2026-03-02T09:31:00+01:00' })))
    t.equal((await importEvents(late)).code, 2, 'a line before the mismatch stays out too')
    t.equal(await head(), before, 'nothing of the file is recorded')
    const lenient = await importEvents(late, '--lenient')
    t.equal(lenient.code, 9, 'twin: what does not ask first has recorded the line before')
    t.equal((await head()) > before, true)
    const other = await importEvents(changed, '--source', 'second')
    t.equal(other.code, 0)
    t.match(other.err, /2 recorded/)
  },
)

t.test('a clinic that the token does not reach gets nothing, and nothing of the file is shown', async (t) => {
  const events = file(ndjson(r4Event('d-1')))
  const { code, err, out } = await chartwarden('import', 'events', events, '--clinic', 'nowhere')
  t.equal(code, 4)
  t.match(err, /CLINIC_NOT_ALLOWED/)
  t.notMatch(err + out, /p-1|d-17/)
})

t.test('what is no file of events is said before anything else', async (t) => {
  for (const [text, message] of [
    [`[${JSON.stringify(r4Event('e'))}]`, /is a JSON array.*jq/],
    [JSON.stringify({ resourceType: 'Bundle', entry: [{ resource: r4Event('e') }] }), /is a FHIR Bundle.*jq/],
    [JSON.stringify(r4Event('e'), null, 2), /over several lines.*jq/],
    ['', /holds no events/],
    ['\n\n \r\n', /holds no events/],
  ] as const) {
    t.match(await importEvents(file(text)), { code: 2, err: message, out: '' })
  }
  t.match(await importEvents(path.join(directory, 'missing.ndjson')), { code: 2, err: /cannot be read/ })
  t.match(await importEvents(directory), { code: 2, err: /no regular file|cannot be read/ })
  t.match(await importEvents(file(ndjson(r4Event('e'))), '--source', 'a b'), { code: 2, err: /letters, digits/ })
})

t.test('the findings go whole into a file, or not at all', async (t) => {
  const target = path.join(directory, 'findings.csv')
  const { out, code } = await importEvents(file(ndjson(r4Event('f', { outcome: '9' }))), '--format', 'csv', '--output', target)
  t.equal(code, 2)
  t.equal(out, '')
  t.match(parse(readFileSync(target, 'utf8'), { columns: true }), [{ line: '1', event: 'f', field: 'outcome' }])
})
