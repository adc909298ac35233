/** The table "what arrives, what happens" of the design, row by row: the answer, and what the ledgers gain. */
import { randomUUID } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import t from 'tap'
import type { CheckRequestSchema } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { ChartwardenError, ErrorReason } from '../../services/kernel/errors.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { createLedgerReader } from '../support/ledger-reader.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startTestService } from '../support/service.ts'
import { waitFor } from '../support/wait-for.ts'

const clinic = 'north'
const good = () => readRecord(clinic, 'anna')
type Question = MessageInitShape<typeof CheckRequestSchema>

interface Refused {
  readonly what: string
  readonly question: Question
  /** The field that the answer must name. */
  readonly field: string
}

const seconds = (ahead: number) => ({ seconds: BigInt(Math.floor(Date.now() / 1000) + ahead), nanos: 0 })

const malformed: readonly Refused[] = [
  { what: 'a request id that is no UUID', question: { ...good(), requestId: 'seven' }, field: 'request_id' },
  { what: 'no subject', question: { ...good(), subject: undefined } as unknown as Question, field: 'subject' },
  { what: 'a subject without id', question: { ...good(), subject: { type: 'staff', id: '' } }, field: 'subject.id' },
  { what: 'a subject id of 257 characters', question: { ...good(), subject: staff('x'.repeat(257)) }, field: 'subject.id' },
  { what: 'a subject type of 65 characters', question: { ...good(), subject: { type: 'x'.repeat(65), id: 'a' } }, field: 'subject.type' },
  { what: 'an id with a NUL', question: { ...good(), subject: staff('a\0b') }, field: 'subject.id' },
  { what: 'a subject id that ends in white space', question: { ...good(), subject: staff('anna ') }, field: 'subject.id' },
  { what: 'a subject id with a direction mark', question: { ...good(), subject: staff('anna\u202e') }, field: 'subject.id' },
  { what: 'a subject type with a line end', question: { ...good(), subject: { type: 'staff\n', id: 'anna' } }, field: 'subject.type' },
  { what: 'no action', question: { ...good(), action: undefined } as unknown as Question, field: 'action' },
  { what: 'an empty action', question: { ...good(), action: { name: '' } }, field: 'action.name' },
  { what: 'no resource', question: { ...good(), resource: undefined } as unknown as Question, field: 'resource' },
  { what: 'a resource without id', question: { ...good(), resource: { type: 'imaging', id: '' } }, field: 'resource.id' },
  { what: 'a missing purpose', question: { ...good(), purpose: '' }, field: 'purpose' },
  { what: 'an unknown purpose code', question: { ...good(), purpose: 'CURIOSITY' }, field: 'purpose' },
  { what: 'a purpose in lower case', question: { ...good(), purpose: 'treat' }, field: 'purpose' },
  { what: 'a reason of 501 characters', question: { ...good(), reason: 'x'.repeat(501) }, field: 'reason' },
  { what: 'a context over 8 KiB', question: { ...good(), context: { note: 'x'.repeat(9_000) } }, field: 'context' },
  { what: 'an unknown intent', question: { ...good(), intent: 9 as never }, field: 'intent' },
  {
    what: 'a sign-in two minutes ahead',
    question: { ...good(), session: { id: 's', issuedAt: seconds(120) } },
    field: 'session.issued_at',
  },
  {
    what: 'a sign-in that is no moment',
    question: { ...good(), session: { id: 's', issuedAt: { seconds: -1n, nanos: 0 } } },
    field: 'session.issued_at',
  },
  {
    what: 'an obligation type of 65 characters',
    question: { ...good(), supportedObligations: ['x'.repeat(65)] },
    field: 'supported_obligations[0]',
  },
]

const recordedDenies = [
  { what: 'an unknown subject', question: { ...good(), subject: staff('nobody') }, reason: 'unknown_subject' },
  { what: 'an unknown action', question: { ...good(), action: { name: 'levitate' } }, reason: 'unknown_action' },
  { what: 'an unknown resource type', question: { ...good(), resource: { type: 'weather', id: 'w' } }, reason: 'unknown_resource_type' },
] as const

const thrownBy = async (call: Promise<unknown>): Promise<ChartwardenError> =>
  call.then(
    () => {
      throw new Error('the call was answered')
    },
    (error: ChartwardenError) => error,
  )

t.test('what arrives, what happens', async (t) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database })
  const ledgers = await createLedgerReader(t, database)
  const clients = clientsOf(service, await service.token({ clinics: [clinic, 'unregistered'] }))
  await registerTestClinic(clients, clinic)
  await hire(clients, clinic, 'anna')

  const before = await ledgers.count(clinic)
  for (const { what, question, field } of malformed) {
    await t.test(`${what} is INVALID_ARGUMENT and names the field`, async (t) => {
      const error = await thrownBy(clients.access.check(question))
      t.equal(error.reason, 'INVALID_ARGUMENT')
      t.ok(
        error.fields.some((violation) => violation.field === field),
        `${error.fields.map((violation) => violation.field).join()} names ${field}`,
      )
    })
  }
  await t.test('a message over a mebibyte is refused', async (t) => {
    const error = await thrownBy(clients.access.check({ ...good(), reason: 'x'.repeat(1_200_000) }))
    t.equal(error.grpc, 8)
  })
  await t.test('numbers that JSON cannot carry are INVALID_ARGUMENT', async (t) => {
    const error = await thrownBy(clients.access.check({ ...good(), context: { n: Number.NaN } }))
    t.equal(error.reason, 'INVALID_ARGUMENT')
  })
  await t.test('none of it is in the ledger', async (t) => t.equal(await ledgers.count(clinic), before))

  for (const { what, question, reason } of recordedDenies) {
    await t.test(`${what} is a recorded deny`, async (t) => {
      const answer = await clients.access.check(question)
      t.equal(answer.decision, Decision.DENY)
      t.equal(answer.reasonCode, reason)
      const entry = (await ledgers.entries(clinic)).find(({ revision }) => revision === answer.entry?.revision)
      t.match(entry?.data, { decision: 'deny', reason_code: reason })
    })
  }

  await t.test('a recorded access without purpose is UNSTATED and flagged', async (t) => {
    const { entry } = await clients.audit.recordAccess({
      requestId: randomUUID(),
      clinic,
      subject: staff('anna'),
      action: { name: 'read' },
      resource: { type: 'imaging', id: 'i-1', patientId: 'p' },
    })
    const stored = (await ledgers.entries(clinic)).find(({ revision }) => revision === entry?.revision)
    t.match(stored?.data, { purpose: 'UNSTATED', flags: ['purpose_unstated'] })
  })
  await t.test('an access in the future is kept and flagged', async (t) => {
    const { entry } = await clients.audit.recordAccess({
      requestId: randomUUID(),
      clinic,
      subject: staff('anna'),
      action: { name: 'read' },
      resource: { type: 'imaging', id: 'i-1', patientId: 'p' },
      purpose: 'TREAT',
      occurredAt: seconds(86_400),
    })
    const stored = (await ledgers.entries(clinic)).find(({ revision }) => revision === entry?.revision)
    t.match(stored?.data, { purpose: 'TREAT', flags: ['future_dated'] })
  })

  interface TurnedAway {
    readonly what: string
    readonly token: string | undefined
    readonly clinic: string
    readonly reason: ErrorReason
    readonly grpc: number
    readonly ledger: string
    /** As the summary names the caller: known only where the token was verified. */
    readonly caller: string
  }
  const turnedAway: readonly TurnedAway[] = [
    { what: 'no token', token: undefined, clinic, reason: 'TOKEN_MISSING', grpc: 16, ledger: '_system', caller: '' },
    { what: 'a token that is none', token: 'x.y.z', clinic, reason: 'TOKEN_REFUSED', grpc: 16, ledger: '_system', caller: '' },
    {
      what: 'an expired token',
      token: await service.token({ clinics: [clinic], ttlSeconds: -3600 }),
      clinic,
      reason: 'TOKEN_EXPIRED',
      grpc: 16,
      ledger: '_system',
      caller: '',
    },
    {
      what: 'a clinic the token does not name',
      token: await service.token({ clinics: ['south'], subject: 'south-software' }),
      clinic,
      reason: 'CLINIC_NOT_ALLOWED',
      grpc: 7,
      ledger: '_system',
      caller: 'south-software',
    },
    {
      what: 'a clinic that is not registered',
      token: await service.token({ clinics: ['unregistered'], subject: 'early-software' }),
      clinic: 'unregistered',
      reason: 'CLINIC_NOT_ALLOWED',
      grpc: 7,
      ledger: '_system',
      caller: 'early-software',
    },
    {
      what: 'the system ledger named as a clinic',
      token: await service.token({ clinics: ['_system'], subject: 'sly-software' }),
      clinic: '_system',
      reason: 'TOKEN_REFUSED',
      grpc: 16,
      ledger: '_system',
      caller: '',
    },
    {
      what: 'a token of the clinic without the scope',
      token: await service.token({ clinics: [clinic], scopes: ['report.read'], subject: 'report-software' }),
      clinic,
      reason: 'SCOPE_MISSING',
      grpc: 7,
      ledger: clinic,
      caller: 'report-software',
    },
  ]
  const messages = new Map<string, string>()
  const expected = new Map<string, number>()
  for (const { what, token, clinic: named, reason, grpc, ledger, caller } of turnedAway) {
    await t.test(`${what} is ${reason} and counted in ${ledger}`, async (t) => {
      const entries = await ledgers.count(clinic)
      const error = await thrownBy(clientsOf(service, token ?? '').access.check({ ...good(), clinic: named }))
      t.equal(error.reason, reason)
      t.equal(error.grpc, grpc)
      messages.set(what, error.message)
      // A token is looked at before the message, so what it refuses names no clinic.
      const shown = caller === '' ? '' : named
      const key = [reason, caller, shown].join(' ')
      expected.set(key, (expected.get(key) ?? 0) + 1)
      const counted = async (): Promise<number> =>
        (await ledgers.entries(ledger))
          .filter(({ type }) => type === 'chartwarden.refusals.summarised.v1')
          .flatMap(({ data }) => data.refusals as readonly { reason: string; caller: string; clinic: string; count: number }[])
          .filter((refusal) => [refusal.reason, refusal.caller, refusal.clinic].join(' ') === key)
          .reduce((sum, { count }) => sum + count, 0)
      await waitFor(`a summary of ${key}`, async () => (await counted()) >= (expected.get(key) as number))
      t.equal(await counted(), expected.get(key), 'counted once')
      t.equal(await ledgers.count(clinic), ledger === clinic ? entries + 1 : entries)
    })
  }
  t.equal(
    messages.get('a clinic the token does not name'),
    messages.get('a clinic that is not registered'),
    'a stranger cannot tell which clinics there are',
  )
})
