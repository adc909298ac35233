/** Disclosures over gRPC: recorded once, sealed, grouped by what tells nothing, and refused clearly where the request is wrong. */
import { randomUUID } from 'node:crypto'
import { create } from '@bufbuild/protobuf'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import t, { type Test } from 'tap'
import { RecordConcernRequestSchema, RecordDisclosureRequestSchema } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { DisclosureCategory } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { recordingHandlers } from '../../services/access/doors/grpc-audit-recordings.ts'
import type { DisclosureRecorded } from '../../services/access/events.ts'
import type { Ledger } from '../../services/audit/ledger.ts'
import type { Vault } from '../../services/audit/vault.ts'
import type { CallContext } from '../../services/kernel/caller.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { type AccessOverGrpcOptions, accessOverGrpc } from '../support/access-over-grpc.ts'
import { caught } from '../support/caught.ts'
import { registerTestClinic, staff } from '../support/clinic.ts'
import { fault } from '../support/fault.ts'
import { aConcern, aDisclosure, at } from '../support/recordings.ts'

const clinic = 'north'
const type = 'chartwarden.disclosure.recorded.v1'
const minute = 60_000

const aClinic = async (t: Test, options: AccessOverGrpcOptions = {}) => {
  const house = await accessOverGrpc(t, options)
  const { audit, ...own } = house.clients(clinic)
  await registerTestClinic({ audit, ...own }, clinic)
  const recorded = async () => (await house.entries(clinic)).filter((entry) => entry.type === type)
  const data = async () => (await recorded()).map((entry) => entry.data as unknown as DisclosureRecorded)
  return { ...house, audit, recorded, data }
}

t.test(
  'a disclosure is recorded: who, when and whether to be accounted for in codes, the rest sealed under the key of the patient',
  async (t) => {
    const { audit, data, vault, clock, entries } = await aClinic(t)
    const keys = await vault.createClinic(clinic)
    const { entry, replayed } = await audit.recordDisclosure(aDisclosure(clinic, { source: 'release-desk' }))
    t.equal(replayed, false)
    t.equal(entry?.leafHash.length, 32)
    const [only] = await data()
    const patient = keys.pseudonym({ kind: 'patient', type: '', id: 'patient-1' })
    const ben = keys.pseudonym({ kind: 'subject', type: 'staff', id: 'ben' })
    t.match(only, {
      patient,
      recorded_by: { type: 'staff', pseudonym: ben },
      disclosed_at: new Date(clock.wall()).toISOString(),
      category: 'accountable',
      flags: { length: 0 },
      sealed: { kid: patient },
    })
    t.notOk(only !== undefined && 'suspended_until' in only)
    const opened = await keys.open(only?.sealed as never, { clinic, entryId: entry?.id ?? '', entryType: type })
    t.same(opened, {
      kind: 'opened',
      value: {
        recipient_name: 'Public Health Office',
        recipient_address: '1 Market Square',
        description: 'Immunisations of the year 2025',
        purpose: 'Reporting of vaccinations',
        source: 'release-desk',
      },
    })
    const introduced = (await entries(clinic)).filter(({ type }) => type === 'chartwarden.identity.introduced.v1')
    t.ok(
      [patient, ben].every((pseudonym) => introduced.some(({ data }) => data.pseudonym === pseudonym)),
      'both can be named in reports',
    )
  },
)

t.test('what is not known of the recipient is left out, and so is a source', async (t) => {
  const { audit, data, vault } = await aClinic(t)
  const keys = await vault.createClinic(clinic)
  const { entry } = await audit.recordDisclosure(aDisclosure(clinic, { recipientAddress: '' }))
  const opened = await keys.open((await data())[0]?.sealed as never, { clinic, entryId: entry?.id ?? '', entryType: type })
  t.same(opened.kind === 'opened' && Object.keys(opened.value as object).sort(), ['description', 'purpose', 'recipient_name'])
})

t.test('every category of the contract is kept', async (t) => {
  const { audit, data } = await aClinic(t)
  const categories = Object.values(DisclosureCategory).filter((value) => typeof value === 'number' && value !== 0)
  for (const category of categories) await audit.recordDisclosure(aDisclosure(clinic, { category }))
  t.same(
    (await data()).map(({ category }) => category),
    categories.map((value) => DisclosureCategory[value as DisclosureCategory].toLowerCase()),
  )
})

t.test('a repeat is answered with the original, and the same id with other content is refused', async (t) => {
  /** Whether one request sent twice leaves one entry. */
  const recordsOnce = async (options: AccessOverGrpcOptions): Promise<boolean> => {
    const { audit, recorded, clock } = await aClinic(t, options)
    const request = aDisclosure(clinic)
    const first = await audit.recordDisclosure(request)
    clock.advance(minute)
    const again = await audit.recordDisclosure({ ...request, recordedBy: { ...staff('ben'), session: { id: 'another sign-in' } } })
    return (await recorded()).length === 1 && again.replayed && again.entry?.id === first.entry?.id
  }
  t.ok(await recordsOnce({}))
  const forgetful = (ledger: Ledger): Ledger => ({
    ...ledger,
    append: (append) =>
      ledger.append({
        ...append,
        entries: append.entries.map((entry) => ({ ...entry, id: entry.type === type ? randomUUID() : entry.id })),
      }),
    read: (...range) => ledger.read(...range),
    readState: (...range) => ledger.readState(...range),
  })
  t.notOk(await recordsOnce({ decorateLedger: forgetful }), 'twin: a ledger that takes every repeat as new is noticed')

  const { audit, recorded } = await aClinic(t)
  const request = aDisclosure(clinic)
  await audit.recordDisclosure(request)
  for (const other of [
    { recipientName: 'Somebody else' },
    { recipientAddress: '' },
    { description: 'Everything' },
    { purpose: 'Another purpose' },
    { category: DisclosureCategory.AUTHORIZED },
    { patientId: 'patient-2' },
    { recordedBy: staff('anna') },
    { disclosedAt: at(Date.UTC(2026, 1, 1)) },
    { suspendedUntil: at(Date.UTC(2199, 1, 1)) },
    { source: 'elsewhere' },
  ]) {
    await t.rejects(
      Promise.resolve(audit.recordDisclosure({ ...request, ...other })),
      fault('REQUEST_MISMATCH'),
      Object.keys(other)[0] ?? '',
    )
  }
  t.equal((await recorded()).length, 1)
})

t.test(
  'a disclosure at another time is kept as it is said, and one ahead of the ledger clock by more than a minute is marked',
  async (t) => {
    const { audit, data, clock } = await aClinic(t)
    const now = clock.wall()
    for (const time of [Date.UTC(1970, 0, 1), now - 10 * 366 * 86_400_000, now + minute, now + minute + 1, Date.UTC(2199, 11, 31)]) {
      await audit.recordDisclosure(aDisclosure(clinic, { disclosedAt: at(time) }))
    }
    t.same(
      (await data()).map(({ flags }) => flags),
      [[], [], [], ['future_dated'], ['future_dated']],
    )
    t.equal((await data())[0]?.disclosed_at, '1970-01-01T00:00:00.000Z')
  },
)

t.test('a suspension is kept; one that ends before the disclosure is a mistake', async (t) => {
  const { audit, data, clock } = await aClinic(t)
  const now = clock.wall()
  await audit.recordDisclosure(aDisclosure(clinic, { disclosedAt: at(now), suspendedUntil: at(now + 1) }))
  t.equal((await data())[0]?.suspended_until, new Date(now + 1).toISOString())
  for (const end of [now, now - 1]) {
    const error = await caught(
      Promise.resolve(audit.recordDisclosure(aDisclosure(clinic, { disclosedAt: at(now), suspendedUntil: at(end) }))),
    )
    t.match(error, { reason: 'INVALID_ARGUMENT', fields: [{ field: 'suspended_until' }] })
  }
})

t.test('repeats to one recipient for one purpose have one series, bound to the patient', async (t) => {
  /** The series of these disclosures, numbered in the order in which they first appear. */
  const seriesOf = async (disclosures: readonly object[], options: AccessOverGrpcOptions = {}): Promise<number[]> => {
    const { audit, data } = await aClinic(t, options)
    for (const over of disclosures) await audit.recordDisclosure(aDisclosure(clinic, over))
    const series = (await data()).map((disclosure) => disclosure.series)
    const different = [...new Set(series)]
    return series.map((one) => different.indexOf(one))
  }
  t.same(
    await seriesOf([
      {},
      { recipientName: '  public  HEALTH\toffice ' },
      { purpose: 'reporting OF vaccinations', description: 'Another year', category: DisclosureCategory.AUTHORIZED },
      { recipientName: 'Public Health Office 2' },
      { purpose: 'Research' },
      { recipientAddress: '2 Market Square' },
      { recipientAddress: '' },
    ]),
    [0, 0, 0, 1, 2, 3, 4],
  )
  t.same(
    await seriesOf([{ recipientName: 'Straße' }, { recipientName: 'STRASSE' }, { recipientName: 'Cafe\u0301' }, { recipientName: 'Café' }]),
    [0, 0, 1, 1],
  )
  t.same(
    await seriesOf([
      { recipientName: 'A', purpose: 'B C' },
      { recipientName: 'A B', purpose: 'C' },
    ]),
    [0, 1],
    'where one text ends and the other begins counts',
  )
  const ofPatients = [{ patientId: 'patient-1' }, { patientId: 'patient-2' }]
  t.same(await seriesOf(ofPatients), [0, 1], 'it does not tell that two patients were disclosed to one recipient')
  const unbound = (vault: Vault): Vault => ({
    ...vault,
    clinic: async (name) => {
      const keys = await vault.clinic(name)
      if (keys === undefined) return undefined
      const pseudonym: typeof keys.pseudonym = (identity) =>
        keys.pseudonym(
          identity.kind === 'disclosure_series' ? { ...identity, id: JSON.stringify(JSON.parse(identity.id).slice(1)) } : identity,
        )
      return { ...keys, pseudonym }
    },
  })
  t.same(await seriesOf(ofPatients, { decorateVault: unbound }), [0, 0], 'twin: a series that is not bound to the patient is noticed')
})

t.test('what is wrong in a request is named, and nothing is recorded', async (t) => {
  const { audit, entries } = await aClinic(t)
  const before = (await entries(clinic)).length
  const cases: readonly (readonly [string, object, string])[] = [
    ['no recorder', { recordedBy: undefined }, 'recorded_by'],
    ['a recorder without id', { recordedBy: { type: 'staff', id: '' } }, 'recorded_by.id'],
    ['a recorder with a direction mark', { recordedBy: staff('ben\u202e') }, 'recorded_by.id'],
    ['no patient', { patientId: '' }, 'patient_id'],
    ['a patient of 257 characters', { patientId: 'x'.repeat(257) }, 'patient_id'],
    ['a patient with a NUL', { patientId: 'a\0b' }, 'patient_id'],
    ['no recipient', { recipientName: '' }, 'recipient_name'],
    ['a recipient of white space', { recipientName: ' \t\n' }, 'recipient_name'],
    ['a recipient of 201 characters', { recipientName: 'x'.repeat(201) }, 'recipient_name'],
    ['a recipient with a NUL', { recipientName: 'a\0' }, 'recipient_name'],
    ['an address of 501 characters', { recipientAddress: 'x'.repeat(501) }, 'recipient_address'],
    ['an address with a NUL', { recipientAddress: '\0' }, 'recipient_address'],
    ['no description', { description: '' }, 'description'],
    ['a description of white space', { description: '  ' }, 'description'],
    ['a description of 501 characters', { description: 'x'.repeat(501) }, 'description'],
    ['no purpose', { purpose: '' }, 'purpose'],
    ['a purpose of 501 characters', { purpose: 'x'.repeat(501) }, 'purpose'],
    ['no category', { category: 0 }, 'category'],
    ['an unknown category', { category: 10 }, 'category'],
    ['a source of 257 characters', { source: 'x'.repeat(257) }, 'source'],
    ['a request id that is no UUID', { requestId: 'seven' }, 'request_id'],
    ['a date before 1970', { disclosedAt: { seconds: -1n, nanos: 0 } }, 'disclosed_at'],
    ['a date of the year 2200', { disclosedAt: at(Date.UTC(2200, 0, 1)) }, 'disclosed_at'],
    ['a date that is none', { disclosedAt: { seconds: 0n, nanos: 1_000_000_000 } }, 'disclosed_at'],
    ['a suspension until the year 2200', { suspendedUntil: at(Date.UTC(2200, 0, 1)) }, 'suspended_until'],
    ['a suspension until before 1970', { suspendedUntil: { seconds: -1n, nanos: 0 } }, 'suspended_until'],
  ]
  for (const [what, over, field] of cases) {
    const error = await caught(Promise.resolve(audit.recordDisclosure(aDisclosure(clinic, over))))
    t.match(error, { reason: 'INVALID_ARGUMENT', fields: [{ field }] }, what)
  }
  const all = await caught(Promise.resolve(audit.recordDisclosure({ requestId: 'x', clinic })))
  t.same(
    all.fields.map(({ field }) => field).sort(),
    ['category', 'description', 'patient_id', 'purpose', 'recipient_name', 'recorded_by', 'request_id'],
    'all at once',
  )
  t.equal((await entries(clinic)).length, before)
  await audit.recordDisclosure(
    aDisclosure(clinic, {
      recipientName: '😀'.repeat(200),
      recipientAddress: 'x'.repeat(500),
      description: '漢'.repeat(500),
      purpose: 'x'.repeat(500),
      patientId: 'x'.repeat(256),
      source: 'x'.repeat(256),
    }),
  )
  t.equal((await entries(clinic)).filter((entry) => entry.type === type).length, 1, 'the longest that is allowed is recorded')
})

t.test('half a character is a mistake in the field that holds it: no text of the ledger can', async (t) => {
  const reached = () => {
    t.fail('the request was taken')
    return Promise.reject(new Error('not to be reached'))
  }
  const { recordDisclosure, recordConcern } = recordingHandlers({
    recordDisclosure: reached,
    recordConcern: reached,
    randomness: systemRandomness,
  })
  const context = {} as CallContext
  for (const field of ['patientId', 'recipientName', 'recipientAddress', 'description', 'purpose', 'source']) {
    const error = await caught(
      recordDisclosure(create(RecordDisclosureRequestSchema, aDisclosure(clinic, { [field]: 'half \ud83d' })), context),
    )
    t.equal(error.reason, 'INVALID_ARGUMENT', field)
  }
  const error = await caught(recordConcern(create(RecordConcernRequestSchema, aConcern(clinic, { text: '\udc00' })), context))
  t.match(error, { reason: 'INVALID_ARGUMENT', fields: [{ field: 'text' }] })
})

t.test('a recorder whom the clinic does not know is no reason to forget a disclosure; another clinic is', async (t) => {
  const { audit, data, clients } = await aClinic(t)
  await audit.recordDisclosure(aDisclosure(clinic, { recordedBy: staff('never-enrolled') }))
  t.equal((await data()).length, 1)
  await t.rejects(Promise.resolve(audit.recordDisclosure(aDisclosure('south'))), fault('CLINIC_NOT_ALLOWED'))
  await t.rejects(Promise.resolve(audit.recordDisclosure(aDisclosure(''))), fault('INVALID_ARGUMENT'))
  const unregistered = clients('south').audit
  await t.rejects(Promise.resolve(unregistered.recordDisclosure(aDisclosure('south'))), fault('CLINIC_NOT_ALLOWED'))
})

t.test('a disclosure about an erased patient is recorded without its text', async (t) => {
  const { audit, data, keyStore, vault, clock } = await aClinic(t)
  const keys = await vault.createClinic(clinic)
  await audit.recordDisclosure(aDisclosure(clinic))
  keyStore.destroy(clinic, keys.pseudonym({ kind: 'patient', type: '', id: 'patient-1' }))
  clock.advance(2 * minute)
  await audit.recordDisclosure(aDisclosure(clinic))
  const [before, after] = await data()
  t.ok(before?.sealed)
  t.equal(after?.sealed, undefined)
  t.equal(after?.series, before?.series)
})

t.test('the entry is of the ledger clock, however the disclosure is dated', async (t) => {
  const { audit, clock } = await aClinic(t)
  const { entry } = await audit.recordDisclosure(aDisclosure(clinic, { disclosedAt: at(Date.UTC(2020, 0, 1)) }))
  t.equal(entry?.time && timestampMs(entry.time), clock.wall())
})
