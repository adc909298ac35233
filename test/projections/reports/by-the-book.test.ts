/** Every report over random ledgers equals what plain lists over the decoded entries say, page by page and streamed. */
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { AccessKind, ActivityKind, SummaryDimension } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { SubjectReference } from '../../../services/access/events.ts'
import type { Pseudonym } from '../../../services/audit/vault.ts'
import type { LedgerScript, Written } from '../../support/ledger-script.ts'
import { plain } from '../../support/plain.ts'
import { dayIn, type PlainAccess, type PlainFilter, type PlainLedger, plainLedger } from '../../support/plain-reports.ts'
import { everyRow, type Reports, startReports } from '../../support/reports.ts'

const people = ['anna', 'ben', 'carl']
/** Those a question may be about: also the software itself, which did what names nobody. */
const accounts = [...people.map((id) => ({ type: 'staff', id })), { type: 'service', id: 'practice-software' }]
const patients = ['p-1', 'p-2', 'p-3', 'p-4']
const kinds = { authorised: AccessKind.AUTHORISED, performed: AccessKind.PERFORMED, refused: AccessKind.REFUSED, probed: AccessKind.PROBED }
const dimensions = [
  SummaryDimension.DAY,
  SummaryDimension.SUBJECT,
  SummaryDimension.RESOURCE_TYPE,
  SummaryDimension.PURPOSE,
  SummaryDimension.KIND,
]

/** Hours around the end of summer time in Lisbon, so that one day has 25 of them. */
const start = Date.parse('2026-10-24T20:00:00Z')

const step = fc.record({
  what: fc.constantFrom(
    'permit',
    'permit',
    'deny',
    'probe',
    'emergency',
    'recorded',
    'recorded',
    'grant',
    'revoke',
    'leave',
    'return',
    'view',
  ),
  who: fc.nat(people.length - 1),
  patient: fc.option(fc.nat(patients.length - 1), { nil: undefined }),
  action: fc.constantFrom('read', 'update'),
  type: fc.constantFrom('imaging', 'invoice', 'clinical_note'),
  purpose: fc.constantFrom('TREAT', 'HPAYMT'),
  record: fc.nat(3),
  role: fc.constantFrom('dentist', 'assistant'),
  /** Minutes since the step before. */
  later: fc.nat(90),
  /** For an access that is recorded: how many hours ago it took place. */
  ago: fc.nat(30),
  named: fc.boolean(),
})
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

const write = async (script: LedgerScript, steps: readonly Step[]): Promise<void> => {
  const subjects: SubjectReference[] = []
  for (const id of people) subjects.push(await script.staff(id))
  const pseudonyms: Pseudonym[] = []
  for (const id of patients) pseudonyms.push(await script.patient(id))
  const grants = new Map<string, Written[]>()
  let permits: Written[] = []
  let time = start
  for (const { what, who, patient, action, type, purpose, record, role, later, ago, named } of steps) {
    time += later * 60_000
    const subject = subjects[who] as SubjectReference
    const of = patient === undefined ? {} : { patient: pseudonyms[patient] as Pseudonym }
    const access = { subject, ...of, action, resourceType: type, purpose, resourceId: `r-${record}`, time }
    const key = `${who} ${role}`
    switch (what) {
      case 'permit':
        permits.push(await script.decided('permit', access, { roles: [role] }))
        break
      case 'emergency':
        permits.push(await script.decided('permit', access, { roles: [role], overrode: { reason_code: 'no_grant', rule: '' } }))
        break
      case 'deny':
      case 'probe':
        await script.decided(what, access, { roles: [role] })
        break
      case 'recorded': {
        const decision = named ? permits.at(-1) : undefined
        await script.recorded(
          { ...access, time: time - ago * 3_600_000 },
          { ...(decision === undefined ? {} : { decision_entry_id: decision.id }) },
        )
        break
      }
      case 'grant':
        grants.set(key, [
          ...(grants.get(key) ?? []),
          await script.granted(subject, role, { by: subjects[0] as SubjectReference, from: time }),
        ])
        break
      case 'revoke':
        await script.revoked(subject, role, grants.get(key) ?? [], time)
        grants.delete(key)
        break
      case 'leave':
        await script.offboarded(subject, { time, by: subjects[0] as SubjectReference })
        permits = []
        break
      case 'return':
        await script.reinstated(subject, time)
        break
      case 'view':
        await script.write(
          'chartwarden.trail.viewed.v1',
          { actor: { rule: 'scope/report.read', ...(named ? { subject } : {}) }, query: 'access_history', streamed: false, ...of },
          { time },
        )
    }
  }
}

const period = fc.tuple(fc.option(fc.nat(100), { nil: undefined }), fc.option(fc.nat(100), { nil: undefined })).map(([from, length]) => ({
  from: from === undefined ? undefined : start + (from - 20) * 3_600_000,
  until: length === undefined ? undefined : start + ((from ?? 0) - 20 + length + 1) * 3_600_000,
}))

const query = fc.record({
  who: fc.option(fc.nat(accounts.length - 1), { nil: undefined }),
  patient: fc.option(fc.nat(patients.length - 1), { nil: undefined }),
  types: fc.subarray(['imaging', 'invoice', 'clinical_note']),
  actions: fc.subarray(['read', 'update']),
  purposes: fc.subarray(['TREAT', 'HPAYMT']),
  kinds: fc.subarray(Object.keys(kinds) as PlainAccess['kind'][]),
  dimensions: fc.shuffledSubarray(dimensions),
  zone: fc.constantFrom('', 'UTC', 'Pacific/Auckland', 'America/Sao_Paulo'),
  limits: fc.array(fc.constantFrom(1, 2, 3, 7, 50), { minLength: 1, maxLength: 3 }),
  period,
})
type Query = typeof query extends fc.Arbitrary<infer Value> ? Value : never

const micro = (at: { readonly seconds?: bigint; readonly nanos?: number } | undefined): number =>
  Number(at?.seconds ?? 0n) * 1_000 + (at?.nanos ?? 0) / 1_000_000

type Account = (typeof accounts)[number]
const named = (subject: Account | undefined) => (subject === undefined ? {} : { subject })
/** As the entries know an account. */
const accountOf = ({ vault }: LedgerScript, { type, id }: Account) => ({
  subject: vault.pseudonym({ kind: 'subject', type, id }),
  software: type === 'service' ? id : undefined,
})
const times = ({ from, until }: { from: number | undefined; until: number | undefined }) => ({
  ...(from === undefined ? {} : { from: timestampFromMs(from) }),
  ...(until === undefined ? {} : { until: timestampFromMs(until) }),
})

/** All items of one case of a stream, and its end. */
const streamed = async (reports: Reports, report: NonNullable<Parameters<Reports['streamReport']>[0]['report']>) => {
  const values: unknown[] = []
  let items = -1n
  let summaryTotal: bigint | undefined
  for await (const { item } of reports.streamReport({ report })) {
    if (item?.case === 'end') items = item.value.items ?? 0n
    else if (item?.case === 'summaryTotals') summaryTotal = item.value.totalAccesses
    else if (item?.case !== 'accountScopeTotals') values.push(item?.value)
  }
  return { values, items, summaryTotal }
}

const checkSummary = async (test: Test, reports: Reports, ledger: PlainLedger, asked: Query, filter: PlainFilter, message: object) => {
  const { dimensions: by, zone, limits } = asked
  const timeZone = zone === '' ? 'Europe/Lisbon' : zone
  const { vault } = reports.script
  const nameOf = new Map(people.map((id) => [vault.pseudonym({ kind: 'subject', type: 'staff', id }) as string, id]))
  const groups = new Map<string, PlainAccess[]>()
  for (const access of ledger.matching(filter)) {
    const key = by.map((dimension) => {
      switch (dimension) {
        case SummaryDimension.DAY:
          return dayIn(timeZone, access.at)
        case SummaryDimension.SUBJECT:
          return access.subject
        case SummaryDimension.RESOURCE_TYPE:
          return access.resourceType
        case SummaryDimension.PURPOSE:
          return access.purpose
        default:
          return access.kind
      }
    })
    const name = key.join('\n')
    groups.set(name, [...(groups.get(name) ?? []), access])
  }
  const expected = [...groups]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, accesses]) => ({
      key: key === '' ? [] : key.split('\n').map((part) => nameOf.get(part) ?? part),
      accesses: BigInt(accesses.length),
      patients: BigInt(new Set(accesses.flatMap(({ patient }) => patient ?? [])).size),
      first: Math.min(...accesses.map(({ at }) => at)),
      last: Math.max(...accesses.map(({ at }) => at)),
    }))
  const summaryQuery = { filter: message, dimensions: by, timeZone: zone }
  const totals = new Set<bigint | undefined>()
  const rows = await everyRow(async (page) => {
    const answer = await reports.summary({ query: summaryQuery, ...page })
    totals.add(answer.totalAccesses)
    test.equal(answer.timeZone, timeZone)
    return { ...answer, rows: answer.rows ?? [] }
  }, limits)
  test.same(
    rows.map((row) => ({
      key: by.map((dimension) => {
        switch (dimension) {
          case SummaryDimension.DAY:
            return row.day
          case SummaryDimension.SUBJECT:
            return row.subject?.id
          case SummaryDimension.RESOURCE_TYPE:
            return row.resourceType
          case SummaryDimension.PURPOSE:
            return row.purpose
          default:
            return Object.entries(kinds).find(([, kind]) => kind === row.kind)?.[0]
        }
      }),
      accesses: row.accesses,
      patients: row.patients,
      first: micro(row.first),
      last: micro(row.last),
    })),
    expected,
    'the summary, in order',
  )
  test.same([...totals], [BigInt(ledger.matching(filter).length)], 'its total, the same on every page')
  const { values, items, summaryTotal } = await streamed(reports, { case: 'summary', value: summaryQuery })
  test.equal(summaryTotal, BigInt(ledger.matching(filter).length), 'its total, ahead of its rows')
  test.same(plain(values), plain(rows), 'the stream of it')
  test.equal(items, BigInt(rows.length))
}

const checkPatient = async (test: Test, reports: Reports, ledger: PlainLedger, asked: Query) => {
  const patientId = patients[asked.patient ?? 0] as string
  const { vault } = reports.script
  const patient = vault.pseudonym({ kind: 'patient', type: '', id: patientId })
  const matching = ledger.matching({ patient, ...(asked.kinds.length === 0 ? {} : { kinds: asked.kinds }), ...asked.period })
  const permits = new Map(ledger.accesses.filter(({ kind }) => kind === 'authorised').map((access) => [access.id, access]))
  const expected = matching.map((access) => {
    const decision = permits.get(access.decision ?? '')
    const own = decision?.subject === access.subject && decision.patient === patient ? decision : undefined
    return {
      revision: access.revision,
      roles: access.kind === 'performed' ? (own?.roles ?? ledger.rolesAt(access.subject, access.at)) : access.roles,
      emergency: access.emergency || own?.emergency === true,
      subject: undefined,
    }
  })
  const reportQuery = { patientId, kinds: asked.kinds.map((kind) => kinds[kind]), ...times(asked.period) }
  const rows = await everyRow(async (page) => {
    const answer = await reports.patient({ query: reportQuery, ...page })
    return { ...answer, rows: answer.rows ?? [] }
  }, asked.limits)
  test.same(
    rows.map(({ entry, roles, emergency, subject }) => ({ revision: entry?.revision, roles, emergency, subject })),
    expected,
    'the patient report',
  )
  const people = new Map<string | undefined, Set<string>>()
  rows.forEach(({ staffPseudonym }, index) => {
    people.set(staffPseudonym, (people.get(staffPseudonym) ?? new Set()).add(matching[index]?.subject as string))
  })
  test.ok(
    [...people.values()].every((subjects) => subjects.size === 1),
    'one pseudonym is one person',
  )
  test.equal(people.size, new Set(matching.map(({ subject }) => subject)).size, 'one person is one pseudonym')
  const { values, items } = await streamed(reports, { case: 'patientReport', value: reportQuery })
  test.same(plain(values), plain(rows), 'the stream of it')
  test.equal(items, BigInt(rows.length))
}

const checkActivity = async (test: Test, reports: Reports, ledger: PlainLedger, asked: Query) => {
  const account = accounts[asked.who ?? 0] as Account
  const whose = accountOf(reports.script, account)
  const { subject } = whose
  const { from = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = asked.period
  const expected = [
    ...ledger.matching({ subject, ...asked.period }).map(({ revision, at }) => ({ revision, at, kind: ActivityKind.ACCESS })),
    ...ledger
      .deedsOf(whose)
      .filter(({ at }) => at >= from && at < until)
      .map(({ revision, at, kind }) => ({ revision, at, kind: kind === 'reading' ? ActivityKind.READING : ActivityKind.CHANGE })),
  ].sort((one, other) => other.at - one.at || Number(other.revision - one.revision))
  const activityQuery = { ...named(account), ...times(asked.period) }
  const rows = await everyRow(async (page) => {
    const answer = await reports.activity({ query: activityQuery, ...page })
    return { ...answer, rows: answer.rows ?? [] }
  }, asked.limits)
  test.same(
    rows.map(({ entry, occurredAt, kind }) => ({ revision: entry?.revision, at: micro(occurredAt), kind })),
    expected,
    'the activity of a person',
  )
  const { values, items } = await streamed(reports, { case: 'staffActivity', value: activityQuery })
  test.same(plain(values), plain(rows), 'the stream of it')
  test.equal(items, BigInt(rows.length))
}

const checkScope = async (test: Test, reports: Reports, ledger: PlainLedger, asked: Query) => {
  const subject = asked.who === undefined ? undefined : accounts[asked.who]
  const { vault } = reports.script
  const from = asked.period.from ?? start - 40 * 3_600_000
  const until = Math.max(from + 1, asked.period.until ?? start + 400 * 3_600_000)
  const whose = subject === undefined ? { caller: 'practice-software' } : accountOf(reports.script, subject)
  const window = ledger.matching({ ...whose, kinds: ['authorised', 'performed', 'refused', 'probed'], from, until })
  const touched = window.filter(({ kind }) => kind !== 'probed')
  const opened = touched.filter(({ kind }) => kind !== 'refused')
  const deeds = ledger.deedsOf(whose).filter(({ at }) => at >= from && at < until)
  const recordsOf = (accesses: readonly PlainAccess[]) =>
    new Set(accesses.map((access) => `${access.resourceType} ${access.resourceId}`)).size
  const patientsOf = (accesses: readonly PlainAccess[]) => new Set(accesses.flatMap(({ patient }) => patient ?? []))
  const of = (kind: PlainAccess['kind']) => window.filter((access) => access.kind === kind).length
  const openedPatients = patientsOf(opened)
  const all = [...window.map(({ at }) => at), ...deeds.map(({ at }) => at)]
  const totals = {
    patients: openedPatients.size,
    patientsRefusedOnly: [...patientsOf(touched)].filter((patient) => !openedPatients.has(patient)).length,
    records: recordsOf(opened),
    authorised: of('authorised'),
    performed: of('performed'),
    refused: of('refused'),
    probed: of('probed'),
    withoutPatient: touched.filter(({ patient }) => patient === undefined).length,
    changes: deeds.filter(({ kind }) => kind === 'change').length,
    readings: deeds.filter(({ kind }) => kind === 'reading').length,
    first: all.length === 0 ? 0 : Math.min(...all),
    last: all.length === 0 ? 0 : Math.max(...all),
    recordsCounted: true,
  }
  const expected = [...patientsOf(touched)]
    .map((patient) => ({ patient, own: touched.filter((access) => access.patient === patient) }))
    .map(({ patient, own }) => ({
      patientId: patients.find((name) => vault.pseudonym({ kind: 'patient', type: '', id: name }) === patient),
      patient,
      first: Math.min(...own.map(({ at }) => at)),
      last: Math.max(...own.map(({ at }) => at)),
      authorised: BigInt(own.filter(({ kind }) => kind === 'authorised').length),
      performed: BigInt(own.filter(({ kind }) => kind === 'performed').length),
      refused: BigInt(own.filter(({ kind }) => kind === 'refused').length),
      resourceTypes: [...new Set(own.filter(({ kind }) => kind !== 'refused').map(({ resourceType }) => resourceType))].sort(),
      actions: [...new Set(own.filter(({ kind }) => kind !== 'refused').map(({ action }) => action))].sort(),
      records: BigInt(recordsOf(own.filter(({ kind }) => kind !== 'refused'))),
    }))
    .sort((one, other) => one.first - other.first || (one.patient < other.patient ? -1 : 1))
    .map(({ patient: _, ...row }) => row)
  const account =
    subject === undefined ? { case: 'caller' as const, value: 'practice-software' } : { case: 'subject' as const, value: subject }
  const scopeQuery = { account, ...times({ from, until }) }
  const rows = await everyRow(async (page) => {
    const { patients: rows = [], totals: told, nextPageToken = '' } = await reports.scope({ query: scopeQuery, ...page })
    test.same(
      {
        ...Object.fromEntries(Object.entries(told ?? {}).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value])),
        first: micro(told?.first),
        last: micro(told?.last),
      },
      totals,
      'the totals of an account, on every page',
    )
    return { rows, nextPageToken }
  }, asked.limits)
  test.same(
    rows.map((row) => ({ ...row, first: micro(row.first), last: micro(row.last) })),
    expected,
    'the patients an account touched',
  )
  const { values, items } = await streamed(reports, { case: 'accountScope', value: scopeQuery })
  test.same(plain(values), plain(rows), 'the stream of it')
  test.equal(items, BigInt(rows.length))
}

t.test('reports equal the plain lists for random ledgers and queries', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 40, maxLength: 70 }),
      fc.array(query, { minLength: 6, maxLength: 6 }),
      async (steps, queries) => {
        const reports = await startReports(t, { recordReadings: false })
        const { script, house } = reports
        await write(script, steps)
        const ledger = await plainLedger(script.clinic, script.vault, await house.entries())
        await reports.settle()
        for (const asked of queries) {
          const { who, patient, types, actions, purposes, kinds: wanted } = asked
          const filter: PlainFilter = {
            subject: who === undefined ? undefined : accountOf(script, accounts[who] as Account).subject,
            patient:
              patient === undefined ? undefined : script.vault.pseudonym({ kind: 'patient', type: '', id: patients[patient] as string }),
            resourceTypes: types,
            actions,
            purposes,
            ...(wanted.length === 0 ? {} : { kinds: wanted }),
            ...asked.period,
          }
          const message = {
            ...named(who === undefined ? undefined : accounts[who]),
            patientId: patient === undefined ? '' : (patients[patient] as string),
            resourceTypes: types,
            actions,
            purposes,
            kinds: wanted.map((kind) => kinds[kind]),
            ...times(asked.period),
          }
          await checkSummary(t, reports, ledger, asked, filter, message)
          await checkPatient(t, reports, ledger, asked)
          await checkActivity(t, reports, ledger, asked)
          await checkScope(t, reports, ledger, asked)
        }
        await reports.projections.runner.stop()
        return t.passing()
      },
    ),
    { numRuns: 5, endOnFailure: true },
  )
})
