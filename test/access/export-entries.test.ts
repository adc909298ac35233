import { randomUUID } from 'node:crypto'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import fc from 'fast-check'
import t from 'tap'
import { parseCheckpoint } from '../../services/audit/log/checkpoint.ts'
import { parseVerifierKey, verifyNote } from '../../services/audit/log/note.ts'
import { leafHash } from '../../services/audit/log/tree-hash.ts'
import { createTreeHasher } from '../../services/audit/log/tree-hasher.ts'
import { verifyInclusion } from '../../services/audit/log/verify-proofs.ts'
import { caught } from '../support/caught.ts'
import { type Clients, clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { type ExportedLedger, exportOf, revisionsOf } from '../support/moving.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { type ownScopes, startTestService, type TestService } from '../support/service.ts'
import { waitFor } from '../support/wait-for.ts'

/** One service for all clinics of this file. */
const shared = (async () => startTestService(t, { database: await createTestDatabase(t) }))()
let clinics = 0

/** A clinic of the test's own with some days of work behind it. */
const working = async () => {
  const service = await shared
  clinics += 1
  const clinic = `north-${clinics}`
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  for (const id of ['anna', 'ben']) await hire(clients, clinic, id)
  for (let index = 0; index < 12; index += 1) {
    await clients.access.check(readRecord(clinic, index % 2 === 0 ? 'anna' : 'ben', { patient: `patient-${index % 3}` }))
  }
  return { service, clients, clinic }
}

/** Every entry as it stands, with what reading adds. */
const ledgerOf = async ({ audit }: Clients, clinic: string) => {
  const entries: { readonly revision: number; readonly text: string; readonly time: number }[] = []
  for await (const { item } of audit.readEntries({ clinic })) {
    if (item.case !== 'entry') continue
    const { revision, canonical, time } = item.value
    entries.push({
      revision: Number(revision),
      text: Buffer.from(canonical).toString(),
      time: Number(time?.seconds) * 1000 + (time?.nanos ?? 0) / 1e6,
    })
  }
  return entries
}

/** Throws unless the export proves each of its entries, to somebody who knows the key. */
const proofsHold = ({ head, entries }: ExportedLedger): boolean => {
  const keys = head.verifierKeys.map(parseVerifierKey).filter((key) => key !== undefined)
  const note = verifyNote(head.checkpoint?.note ?? '', keys)
  const checkpoint = note.kind === 'verified' ? parseCheckpoint(note.text) : undefined
  if (checkpoint === undefined) return false
  const { size, root } = checkpoint
  if (!head.whole) {
    return entries.every(({ entry, hashes }) =>
      verifyInclusion({ leafHash: leafHash(entry?.canonical ?? Buffer.alloc(0)), index: entry?.revision ?? 0n, size, proof: hashes, root }),
    )
  }
  const hasher = createTreeHasher()
  for (const { entry } of entries) hasher.append(entry?.canonical ?? Buffer.alloc(0))
  return hasher.size === size && hasher.root().equals(root)
}

const pseudonymOf = async ({ audit }: Clients, clinic: string, kind: string, id: string): Promise<string> => {
  for await (const { item } of audit.readEntries({ clinic })) {
    if (item.case !== 'entry' || item.value.type !== 'chartwarden.identity.introduced.v1') continue
    const { data } = JSON.parse(Buffer.from(item.value.canonical).toString()) as { data: { kind: string; pseudonym: string } }
    if (data.kind === kind && (JSON.parse(Buffer.from(item.value.private).toString()) as { id: string }).id === id) return data.pseudonym
  }
  throw new Error(`nobody is called ${id}`)
}

t.test(
  'a selection is everything that names the patient, the person or the period, each with its proof under one checkpoint',
  async (t) => {
    const { clients, clinic } = await working()
    const [patient, anna] = [
      await pseudonymOf(clients, clinic, 'patient', 'patient-1'),
      await pseudonymOf(clients, clinic, 'subject', 'anna'),
    ]
    const entries = await ledgerOf(clients, clinic)
    const holding = (wanted: readonly string[], from = 0, until = Number.POSITIVE_INFINITY): readonly number[] =>
      entries
        .filter(({ text, time }) => wanted.every((part) => text.includes(part)) && time >= from && time < until)
        .map(({ revision }) => revision)

    // What was read or exported meanwhile names them too; it is compared up to what the ledger held at first.
    const upTo = (found: ExportedLedger) => revisionsOf(found).filter((revision) => revision < entries.length)
    const ofPatient = await exportOf(clients, { clinic, patientId: 'patient-1' })
    t.same(upTo(ofPatient), holding([patient]))
    t.ok(proofsHold(ofPatient))
    t.equal(ofPatient.head.whole, false)
    t.equal(upTo(ofPatient).length, 5, 'the introduction and four decisions: twin of a search that finds nothing')
    t.same(upTo(await exportOf(clients, { clinic, subject: staff('anna') })), holding([anna]))
    t.same(upTo(await exportOf(clients, { clinic, subject: staff('anna'), patientId: 'patient-1' })), holding([anna, patient]))

    await fc.assert(
      fc.asyncProperty(fc.nat(entries.length - 1), fc.nat(entries.length - 1), async (one, other) => {
        const [from, until] = [one, other].map((index) => entries[index]?.time as number).toSorted((left, right) => left - right) as [
          number,
          number,
        ]
        const found = await exportOf(clients, { clinic, from: timestampFromMs(from), until: timestampFromMs(until + 1) })
        return t.same(upTo(found), holding([], from, until + 1)) && t.ok(proofsHold(found))
      }),
      { numRuns: 8 },
    )
    t.same(revisionsOf(await exportOf(clients, { clinic, patientId: 'nobody' })), [], 'nobody is named nowhere')
  },
)

t.test('an export is recorded once, and a selection ends before the entry that says so', async (t) => {
  const { clients, clinic } = await working()
  const first = await exportOf(clients, { clinic, patientId: 'patient-1' })
  const entries = await ledgerOf(clients, clinic)
  const recorded = entries.filter(({ text }) => text.includes('"query":"export"'))
  t.equal(recorded.length, 1)
  t.match(recorded[0]?.text, /"rule":"scope\/ledger.export"/)
  t.equal(first.end.completeToRevision, BigInt(recorded[0]?.revision as number) - 1n)
  t.notOk(revisionsOf(first).includes(recorded[0]?.revision as number))
  const whole = await exportOf(clients, { clinic })
  t.ok(whole.head.whole)
  t.ok(proofsHold(whole))
  t.equal(BigInt(whole.entries.length), whole.end.completeToRevision + 1n)
  t.match(Buffer.from(whole.entries.at(-1)?.entry?.canonical ?? []).toString(), /"query":"export"/, 'a whole ledger holds its own export')
})

t.test('sealed parts and names are opened with audit.unseal alone', async (t) => {
  const { service, clients, clinic } = await working()
  const found = await exportOf(clients, { clinic, patientId: 'patient-1' })
  const decided = found.entries.find(({ entry }) => entry?.type === 'chartwarden.access.decided.v1')
  t.match(Buffer.from(decided?.entry?.private ?? []).toString(), /"resource_id":"record-1"/)
  t.same(decided?.names.map(({ type, id }) => `${type} ${id}`).sort(), [' patient-1', 'staff ben'].sort())
  const closed = clientsOf(service, await service.token({ clinics: [clinic], scopes: ['ledger.export'] }))
  for (const { entry, names } of (await exportOf(closed, { clinic, patientId: 'patient-1' })).entries) {
    t.equal(entry?.private.length, 0)
    t.same(names, [])
  }
})

const tokenFor = async (service: TestService, clinic: string, ...scopes: (typeof ownScopes)[number][]) =>
  clientsOf(service, await service.token({ clinics: [clinic], scopes }))

t.test('whoever may not read the audit log exports nothing, and the refusal is recorded', async (t) => {
  const { service, clients, clinic } = await working()
  const acting = await tokenFor(service, clinic, 'ledger.export', 'act' as never)
  const asked = exportOf(acting, { clinic, onBehalfOf: staff('anna') })
  t.match(await caught(asked), { reason: 'NOT_PERMITTED' })
  t.ok((await ledgerOf(clients, clinic)).some(({ text }) => text.includes('"operation":"export"') && text.includes('"decision":"deny"')))
  t.ok(
    (await exportOf(acting, { clinic, onBehalfOf: staff('boss'), patientId: 'patient-1' })).entries.length > 0,
    'twin: the administrator may',
  )
  t.match(await caught(exportOf(await tokenFor(service, clinic, 'audit.read'), { clinic })), { reason: 'SCOPE_MISSING' })
  t.match(await caught(exportOf(acting, { clinic: 'south', onBehalfOf: staff('boss') })), { reason: 'CLINIC_NOT_ALLOWED' })
})

t.test('keys go only with a whole ledger, to a recipient, with a scope of their own, and that they went is an entry', async (t) => {
  const { service, clients, clinic } = await working()
  const keysFor = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p'
  t.match(await caught(exportOf(await tokenFor(service, clinic, 'ledger.export'), { clinic, keysFor })), {
    reason: 'SCOPE_MISSING',
    metadata: { scope: 'ledger.keys' },
  })
  t.match(await caught(exportOf(clients, { clinic, keysFor: 'age1nobody' })), { fields: [{ field: 'keys_for' }] })
  t.match(await caught(exportOf(clients, { clinic, keysFor, patientId: 'patient-1' })), { fields: [{ field: 'keys_for' }] })
  t.notOk((await ledgerOf(clients, clinic)).some(({ text }) => text.includes('chartwarden.keys.exported.v1')))
  const { keys, entries } = await exportOf(clients, { clinic, keysFor })
  t.match(keys.toString('latin1'), /^age-encryption\.org\/v1\n-> X25519 /)
  const recorded = entries.filter(({ entry }) => entry?.type === 'chartwarden.keys.exported.v1')
  t.equal(recorded.length, 1, 'durable, signed and in the export before the first key left')
  t.notMatch(Buffer.from(recorded[0]?.entry?.canonical ?? []).toString(), keysFor)
})

t.test('a request that is wrong is refused before anything is recorded', async (t) => {
  const { clients, clinic } = await working()
  const before = (await ledgerOf(clients, clinic)).length
  const moment = timestampFromMs(1_700_000_000_000)
  t.match(await caught(exportOf(clients, { clinic: '' })), { reason: 'INVALID_ARGUMENT' })
  t.match(await caught(exportOf(clients, { clinic, from: moment, until: moment })), { fields: [{ field: 'until' }] })
  t.match(await caught(exportOf(clients, { clinic, subject: { type: 'staff', id: '' } })), { fields: [{ field: 'subject.id' }] })
  t.match(await caught(exportOf(clients, { clinic, patientId: 'p'.repeat(257) })), { fields: [{ field: 'patient_id' }] })
  t.equal((await ledgerOf(clients, clinic)).length, before + 1, 'the reading just now')
})

t.test('where nothing is signed nothing is exported', async (t) => {
  const clinic = 'north'
  const service = await startTestService(t, { database: await createTestDatabase(t), environment: { CHARTWARDEN_SIGNER_DIR: 'off' } })
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  t.match(await caught(exportOf(clients, { clinic })), { reason: 'LOG_OFF' })
})

t.test('an export that goes on while its person loses the right to read ends', async (t) => {
  const { service, clients, clinic } = await working()
  await hire(clients, clinic, 'officer', 'administrator')
  const acting = await tokenFor(service, clinic, 'ledger.export', 'act' as never)
  for (let batch = 0; batch < 3; batch += 1) {
    const access = () => ({ subject: staff('anna'), action: { name: 'read' }, resource: { type: 'imaging', id: 'i-1' }, purpose: 'TREAT' })
    await clients.audit.recordAccessBatch({ clinic, accesses: Array.from({ length: 400 }, access) }, { timeoutMs: 120_000 })
  }
  const stream = acting.audit.exportEntries({ clinic, onBehalfOf: staff('officer') })[Symbol.asyncIterator]()
  await stream.next()
  await clients.people.offboard({ requestId: randomUUID(), clinic, subject: staff('officer') })
  let thrown: unknown
  await waitFor('the end of the stream', async () => {
    try {
      return (await stream.next()).done === true
    } catch (error) {
      thrown = error
      return true
    }
  })
  t.match(thrown, { reason: 'NOT_PERMITTED' })
})
