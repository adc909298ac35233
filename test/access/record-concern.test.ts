/** Concerns over gRPC: what they stand beside, what answers them, and that no mistake tells anything of another patient. */
import { randomUUID } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import t, { type Test } from 'tap'
import type { RecordConcernRequestSchema } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { ConcernKind, ConcernOutcome } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { ConcernRecorded } from '../../services/access/events.ts'
import type { Ledger } from '../../services/audit/ledger.ts'
import { type AccessOverGrpcOptions, accessOverGrpc } from '../support/access-over-grpc.ts'
import { caught } from '../support/caught.ts'
import { hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { aConcern, aDisclosure, anAnswer, at } from '../support/recordings.ts'

const clinic = 'north'
const type = 'chartwarden.concern.recorded.v1'

const aClinic = async (t: Test, options: AccessOverGrpcOptions = {}) => {
  const house = await accessOverGrpc(t, options)
  const own = house.clients(clinic)
  await registerTestClinic(own, clinic)
  await hire(own, clinic, 'anna')
  const recorded = async () =>
    (await house.entries(clinic)).filter((entry) => entry.type === type).map((entry) => entry.data as unknown as ConcernRecorded)
  const record = async (concern: MessageInitShape<typeof RecordConcernRequestSchema>) =>
    (await own.audit.recordConcern(concern)).entry?.id ?? ''
  const refusal = (concern: object) => caught(Promise.resolve(own.audit.recordConcern(concern)))
  return { ...house, own, recorded, record, refusal }
}

t.test('a concern is recorded with its text sealed under the key of the patient, and its id is that of the entry', async (t) => {
  const { own, recorded, vault, clock } = await aClinic(t)
  const keys = await vault.createClinic(clinic)
  const { entry, replayed } = await own.audit.recordConcern(aConcern(clinic, { kind: ConcernKind.COMPLAINT }))
  t.equal(replayed, false)
  const [only] = await recorded()
  const patient = keys.pseudonym({ kind: 'patient', type: '', id: 'patient-1' })
  t.match(only, {
    patient,
    recorded_by: { type: 'staff', pseudonym: keys.pseudonym({ kind: 'subject', type: 'staff', id: 'ben' }) },
    kind: 'complaint',
    raised_at: new Date(clock.wall()).toISOString(),
    sealed: { kid: patient },
  })
  t.same(Object.keys(only ?? {}).sort(), ['kind', 'patient', 'raised_at', 'recorded_by', 'sealed'])
  const opened = await keys.open(only?.sealed as never, { clinic, entryId: entry?.id ?? '', entryType: type })
  t.same(opened, { kind: 'opened', value: { text: 'I was not in the clinic that day' } })
})

t.test('a concern may stand beside any entry about its patient, and beside one about nobody', async (t) => {
  const { own, recorded, record, entries, engine } = await aClinic(t)
  const check = await own.access.check(readRecord(clinic, 'anna'))
  const disclosure = await own.audit.recordDisclosure(aDisclosure(clinic))
  const shared = await own.relationships.shareRecord({
    requestId: randomUUID(),
    clinic,
    recipient: { type: 'lab', id: 'l' },
    patientId: 'patient-1',
    resourceTypes: ['imaging'],
    actions: ['read'],
    purpose: 'TREAT',
    until: at(Date.UTC(2199, 0, 1)),
  })
  const ended = await own.relationships.endShare({ requestId: randomUUID(), clinic, shareId: shared.shareId })
  const enrolled = await own.people.enrolStaff({ requestId: randomUUID(), clinic, subject: staff('emma'), ownPatientId: 'patient-1' })
  const about = [check.entry?.id, disclosure.entry?.id, shared.entry?.id, ended.entry?.id, enrolled.entry?.id].map((id) => id ?? '')
  const introductions = (await entries(clinic)).filter(
    ({ data, type }) => type === 'chartwarden.identity.introduced.v1' && data.kind === 'patient',
  )
  for await (const { id } of engine.read(clinic, introductions[0]?.revision ?? 0n, introductions[0]?.revision ?? 0n)) about.push(id)
  for await (const { id } of engine.read(clinic, 0n, 0n)) about.push(id)
  for (const aboutEntryId of about) await record(aConcern(clinic, { aboutEntryId: aboutEntryId.toUpperCase() }))
  t.same(
    (await recorded()).map(({ about_entry_id: entry }) => entry),
    about,
  )
  t.equal(new Set(about).size, 7)
})

t.test(
  "an entry of another patient, of another clinic and of none are refused alike: the answer tells nothing of another's record",
  async (t) => {
    const { own, clients, recorded, refusal, record } = await aClinic(t)
    const south = clients('south')
    await registerTestClinic(south, 'south')
    const elsewhere = await south.audit.recordDisclosure(aDisclosure('south'))
    const others = await own.audit.recordDisclosure(aDisclosure(clinic, { patientId: 'patient-2' }))
    const shared = await own.relationships.shareRecord({
      requestId: randomUUID(),
      clinic,
      recipient: { type: 'lab', id: 'l' },
      patientId: 'patient-2',
      resourceTypes: ['imaging'],
      actions: ['read'],
      purpose: 'TREAT',
      until: at(Date.UTC(2199, 0, 1)),
    })
    const ended = await own.relationships.endShare({ requestId: randomUUID(), clinic, shareId: shared.shareId })
    const othersConcern = await record(aConcern(clinic, { patientId: 'patient-2' }))
    const told = new Set<string>()
    for (const id of [randomUUID(), elsewhere.entry?.id, others.entry?.id, ended.entry?.id, othersConcern]) {
      const { reason, message, fields, metadata } = await refusal(aConcern(clinic, { aboutEntryId: id ?? '' }))
      t.equal(reason, 'ABOUT_ENTRY_UNKNOWN')
      const { correlationId: _, ...rest } = metadata
      told.add(JSON.stringify({ reason, message, fields, rest }))
    }
    t.equal(told.size, 1)
    const answers = new Set<string>()
    for (const id of [randomUUID(), othersConcern, others.entry?.id, elsewhere.entry?.id]) {
      const { reason, message } = await refusal(anAnswer(clinic, id ?? ''))
      answers.add(`${reason} ${message}`)
    }
    t.same(
      [...answers].map((told) => told.split(' ')[0]),
      ['CONCERN_UNKNOWN'],
    )
    t.equal((await recorded()).length, 1, 'and nothing was recorded')
  },
)

t.test('an answer names a concern of the same patient and its outcome, any number of times', async (t) => {
  const { recorded, record, refusal, own } = await aClinic(t)
  const concern = await record(aConcern(clinic))
  for (const outcome of [ConcernOutcome.PENDING, ConcernOutcome.PARTLY_ACCEPTED, ConcernOutcome.DENIED, ConcernOutcome.WITHDRAWN]) {
    await record(anAnswer(clinic, concern, { outcome }))
  }
  const last = await record(anAnswer(clinic, concern.toUpperCase()))
  t.same(
    (await recorded()).map(({ concern_id: of, outcome }) => [of, outcome]),
    [
      [undefined, undefined],
      [concern, 'pending'],
      [concern, 'partly_accepted'],
      [concern, 'denied'],
      [concern, 'withdrawn'],
      [concern, 'accepted'],
    ],
  )
  t.equal((await refusal(anAnswer(clinic, last))).reason, 'CONCERN_UNKNOWN', 'an answer is not answered')
  t.equal((await refusal(anAnswer(clinic, concern, { patientId: 'patient-2' }))).reason, 'CONCERN_UNKNOWN')
  const disclosure = await own.audit.recordDisclosure(aDisclosure(clinic))
  t.equal((await refusal(anAnswer(clinic, disclosure.entry?.id ?? ''))).reason, 'CONCERN_UNKNOWN', 'nor is what is no concern')
  t.equal((await recorded()).length, 6)
})

t.test('an answer stands beside the entry that its concern is about, and beside no other', async (t) => {
  const { recorded, record, refusal, own } = await aClinic(t)
  const [one, other] = await Promise.all([own.access.check(readRecord(clinic, 'anna')), own.access.check(readRecord(clinic, 'anna'))])
  const aboutEntryId = one.entry?.id ?? ''
  const concern = await record(aConcern(clinic, { aboutEntryId }))
  await record(anAnswer(clinic, concern, { aboutEntryId }))
  t.equal((await recorded()).at(-1)?.about_entry_id, aboutEntryId)
  t.match(await refusal(anAnswer(clinic, concern, { aboutEntryId: other.entry?.id ?? '' })), {
    reason: 'INVALID_ARGUMENT',
    fields: [{ field: 'about_entry_id' }],
  })
})

t.test('a concern of a time to come is kept and marked, and one of the clock of another is not', async (t) => {
  const { clock, record, recorded } = await aClinic(t)
  const now = clock.wall()
  for (const raisedAt of [at(now + 9_000_000_000), at(now + 59_000), at(now - 9_000_000_000)]) await record(aConcern(clinic, { raisedAt }))
  t.same(
    (await recorded()).map(({ flags }) => flags),
    [['future_dated'], undefined, undefined],
  )
})

t.test('an answer from before its concern is refused; a concern of a time to come was raised when it was recorded', async (t) => {
  const { clock, record, refusal } = await aClinic(t)
  const now = clock.wall()
  const past = await record(aConcern(clinic, { raisedAt: at(now - 86_400_000) }))
  const ahead = await record(aConcern(clinic, { raisedAt: at(now + 86_400_000) }))
  const dated = (concern: string, time: number) => anAnswer(clinic, concern, { raisedAt: at(time) })
  const early = { reason: 'INVALID_ARGUMENT', fields: [{ field: 'raised_at' }] }
  t.match(await refusal(dated(past, now - 2 * 86_400_000)), early)
  t.match(await refusal(dated(ahead, now - 3_600_000)), early)
  t.ok(await record(dated(past, now - 86_400_000)))
  t.ok(await record(dated(ahead, now)))
  t.ok(await record(anAnswer(clinic, ahead)))
})

t.test('a repeat is answered with the original, and the same id with other content is refused', async (t) => {
  /** Whether one request sent twice leaves one entry. */
  const recordsOnce = async (options: AccessOverGrpcOptions): Promise<boolean> => {
    const { own, recorded, clock } = await aClinic(t, options)
    const request = aConcern(clinic)
    const first = await own.audit.recordConcern(request)
    clock.advance(60_000)
    const again = await own.audit.recordConcern(request)
    return (await recorded()).length === 1 && again.replayed && again.entry?.id === first.entry?.id
  }
  t.ok(await recordsOnce({}))
  const forgetful = (ledger: Ledger): Ledger =>
    new Proxy(ledger, {
      get: (target, name) =>
        name === 'append'
          ? (append: Parameters<Ledger['append']>[0]) =>
              target.append({
                ...append,
                entries: append.entries.map((entry) => (entry.type === type ? { ...entry, id: randomUUID() } : entry)),
              })
          : Reflect.get(target, name, target),
    })
  t.notOk(await recordsOnce({ decorateLedger: forgetful }), 'twin: a ledger that takes every repeat as new is noticed')

  const { own, recorded, record } = await aClinic(t)
  const request = aConcern(clinic)
  const concern = await record(request)
  for (const other of [
    { text: 'Something else' },
    { kind: ConcernKind.COMPLAINT },
    { patientId: 'patient-2' },
    { recordedBy: staff('anna') },
    { raisedAt: at(Date.UTC(2026, 1, 1)) },
    { aboutEntryId: concern },
    { kind: ConcernKind.ANSWER, concernId: concern, outcome: ConcernOutcome.DENIED },
  ]) {
    await t.rejects(
      Promise.resolve(own.audit.recordConcern({ ...request, ...other })),
      fault('REQUEST_MISMATCH'),
      Object.keys(other)[0] ?? '',
    )
  }
  t.equal((await recorded()).length, 1)
})

t.test('what is wrong in a request is named, and nothing is recorded', async (t) => {
  const { entries, refusal, record } = await aClinic(t)
  const concernId = await record(aConcern(clinic))
  const before = (await entries(clinic)).length
  const cases: readonly (readonly [string, object, string])[] = [
    ['no recorder', { recordedBy: undefined }, 'recorded_by'],
    ['a recorder of type of 65 characters', { recordedBy: { type: 'x'.repeat(65), id: 'ben' } }, 'recorded_by.type'],
    ['no patient', { patientId: '' }, 'patient_id'],
    ['a patient of 257 characters', { patientId: 'x'.repeat(257) }, 'patient_id'],
    ['no kind', { kind: 0 }, 'kind'],
    ['an unknown kind', { kind: 5 }, 'kind'],
    ['no text', { text: '' }, 'text'],
    ['a text of white space', { text: '\n' }, 'text'],
    ['a text of 501 characters', { text: 'x'.repeat(501) }, 'text'],
    ['a text with a NUL', { text: 'a\0b' }, 'text'],
    ['an entry that is no UUID', { aboutEntryId: 'seven' }, 'about_entry_id'],
    ['a request id that is no UUID', { requestId: 'seven' }, 'request_id'],
    ['a time before 1970', { raisedAt: { seconds: -1n, nanos: 0 } }, 'raised_at'],
    ['a time of the year 2200', { raisedAt: at(Date.UTC(2200, 0, 1)) }, 'raised_at'],
    ['a dispute of a concern', { concernId }, 'concern_id'],
    ['a dispute with an outcome', { outcome: ConcernOutcome.ACCEPTED }, 'outcome'],
    ['an answer to nothing', { kind: ConcernKind.ANSWER, outcome: ConcernOutcome.ACCEPTED }, 'concern_id'],
    ['an answer without outcome', { kind: ConcernKind.ANSWER, concernId }, 'outcome'],
    ['an answer with an unknown outcome', { kind: ConcernKind.ANSWER, concernId, outcome: 6 }, 'outcome'],
    ['an answer to what is no UUID', { kind: ConcernKind.ANSWER, concernId: 'x', outcome: ConcernOutcome.DENIED }, 'concern_id'],
  ]
  for (const [what, over, field] of cases) {
    t.match(await refusal(aConcern(clinic, over)), { reason: 'INVALID_ARGUMENT', fields: [{ field }] }, what)
  }
  t.same((await refusal({ clinic })).fields.map(({ field }) => field).sort(), ['kind', 'patient_id', 'recorded_by', 'text'], 'all at once')
  t.equal((await entries(clinic)).length, before)
})
