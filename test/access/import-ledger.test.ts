import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { caught } from '../support/caught.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { logLines } from '../support/log-lines.ts'
import { exportOf, importRequests, type Moved, moveIn, moveOut } from '../support/moving.ts'
import { createTestDatabase } from '../support/postgres.ts'
import type { TestDatabase } from '../support/postgres-server.ts'
import { query } from '../support/query.ts'
import { scratchDirectory, startTestService, testCallers, testEnvironment } from '../support/service.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { waitFor } from '../support/wait-for.ts'

t.setTimeout(290_000)

const clinic = 'north'

/** An installation: its own database and its own master key. */
const installation = async (t: Test) => {
  const database = await createTestDatabase(t)
  const logs = logLines()
  const service = await startTestService(t, { database, logger: logs.logger })
  return { database, logs, service, clients: clientsOf(service, await service.token({ clinics: [clinic] })) }
}

type Installation = Awaited<ReturnType<typeof installation>>

/** What erasing a patient comes to: its owner takes the key away. */
const erase = async ({ adminUrl }: TestDatabase, pseudonym: string): Promise<void> => {
  await query(
    adminUrl,
    `update chartwarden_vault.identity_keys set wrapped_key = null, destroyed_at = now() where pseudonym = '${pseudonym}'`,
  )
}

/** A clinic where anna works, ben worked, and a patient was erased. */
const lived = async (t: Test) => {
  const here = await installation(t)
  const { clients, database } = here
  await registerTestClinic(clients, clinic)
  await hire(clients, clinic, 'anna')
  await hire(clients, clinic, 'ben')
  for (const patient of ['patient-1', 'patient-2']) await clients.access.check(readRecord(clinic, 'anna', { patient }))
  await clients.people.offboard({ requestId: randomUUID(), clinic, subject: staff('ben') })
  const erased = (await exportOf(clients, { clinic, patientId: 'patient-2' })).entries[0]?.entry
  await erase(database, (JSON.parse(Buffer.from(erased?.canonical ?? []).toString()) as { data: { pseudonym: string } }).data.pseudonym)
  return here
}

/** Where the clinic comes from: one for all tests of this file, and what it exports at first. */
const source = lived(t)
let exported: Promise<Moved> | undefined
const firstExport = (): Promise<Moved> => {
  exported ??= source.then(({ clients }) => moveOut(clients, clinic))
  return exported
}

const mayRead = async ({ clients }: Pick<Installation, 'clients'>, id: string) =>
  (await clients.access.check(readRecord(clinic, id))).decision

/** Why the clinic is not served. */
const refusal = async ({ clients }: Pick<Installation, 'clients'>) =>
  (await caught(clients.access.check(readRecord(clinic, 'anna')))).reason

const clinicKeys = (moved: Moved) => JSON.parse(moved.keys.split('\n')[0] as string) as { pseudonym_key: string; digest_key: string }

t.test('a clinic that moves is the same clinic there: same root, same people, same rights, and what was erased stays erased', async (t) => {
  const there = await installation(t)
  const moved = await firstExport()
  t.equal(await refusal(there), 'CLINIC_NOT_ALLOWED')
  const result = await moveIn(there.clients, moved)
  t.equal(result.served, true)
  t.ok(moved.root.equals(result.rootHash))
  t.equal(result.entry?.revision, moved.size)

  t.equal(await mayRead(there, 'anna'), Decision.PERMIT)
  t.equal(await mayRead(there, 'ben'), Decision.DENY, 'who left there has left here')
  t.equal(await mayRead(there, 'nobody'), Decision.DENY)
  await waitFor('the reports', async () => {
    const { completeToRevision } = await there.clients.reports.roleGrants({ clinic })
    return completeToRevision >= moved.size
  })
  const { grants } = await there.clients.reports.roleGrants({ clinic })
  t.same(grants.map(({ subject, role }) => `${subject?.id} ${role}`).sort(), ['anna dentist', 'boss administrator'])

  const again = await exportOf(there.clients, { clinic })
  t.same(
    again.entries.slice(0, moved.entries.length).map(({ entry }) => Buffer.from(entry?.canonical ?? [])),
    moved.entries,
    'byte for byte, under a checkpoint of the new installation',
  )
  t.equal(again.entries[Number(moved.size)]?.entry?.type, 'chartwarden.ledger.imported.v1')
  const introductions = again.entries.filter(({ entry }) => entry?.type === 'chartwarden.identity.introduced.v1')
  const names = introductions.map(({ entry }) => Buffer.from(entry?.private ?? []).toString())
  t.ok(names.some((text) => text.includes('patient-1')))
  t.notOk(
    names.some((text) => text.includes('patient-2')),
    'its key was destroyed and stays so',
  )
  const gone = introductions.find(({ entry }) => entry?.private.length === 0)?.entry
  const rows = await query<{ destroyed: boolean }>(
    there.database.adminUrl,
    `select destroyed_at is not null as destroyed from chartwarden_vault.identity_keys where pseudonym = '${
      (JSON.parse(Buffer.from(gone?.canonical ?? []).toString()) as { data: { pseudonym: string } }).data.pseudonym
    }'`,
  )
  t.same(rows, [{ destroyed: true }])

  const repeated = await moveIn(there.clients, moved)
  t.equal(repeated.entry?.id, result.entry?.id, 'a repeat changes nothing')
})

/** Two processes of one installation; the first stands still between finding no ledger of the clinic and making its keys. */
const standingStill = async (t: Test) => {
  const database = await createTestDatabase(t)
  const reached = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  const stands = await startTestService(t, {
    database,
    decorateLedger: (ledger) => ({
      ...ledger,
      head: async (of) => {
        const head = await ledger.head(of)
        if (of === clinic && head === undefined) {
          reached.resolve()
          await go.promise
        }
        return head
      },
    }),
  })
  const other = await startTestService(t, { database, stateDir: stands.stateDir })
  const token = await stands.token({ clinics: [clinic] })
  return { database, reached: reached.promise, go: go.resolve, stands: clientsOf(stands, token), other: clientsOf(other, token) }
}

t.test('a clinic is registered or imported, never half of each, whichever process does what at the same moment', async (t) => {
  const moved = await firstExport()
  const { database, reached, go, stands, other } = await standingStill(t)
  const registering = registerTestClinic(stands, clinic)
  await reached
  const importing = caught(moveIn(other, moved))
  await waitFor('the import to stand before the lock', async () => {
    const waiting = await query<{ n: number }>(database.adminUrl, `select 1 from pg_locks where locktype = 'advisory' and not granted`)
    return waiting.length > 0
  })
  t.same(
    await query(database.adminUrl, `select 1 from chartwarden_ledger.entries where clinic = '${clinic}'`),
    [],
    'nothing is imported yet',
  )
  go()
  await registering
  t.equal((await importing).reason, 'LEDGER_EXISTS')
  await hire(other, clinic, 'dora')
  t.equal(await mayRead({ clients: other }, 'dora'), Decision.PERMIT, 'its keys are its own')
})

t.test('no key stands in the clear in what is sent, logged or stored', async (t) => {
  const old = await source
  const there = await installation(t)
  const moved = await moveOut(old.clients, clinic)
  await moveIn(there.clients, moved)
  const lines = moved.keys.split('\n').filter((line) => line !== '')
  const secrets = lines.flatMap((line) => {
    const { pseudonym_key, digest_key, key } = JSON.parse(line) as Record<string, string | undefined>
    return [pseudonym_key, digest_key, key].filter((secret) => secret !== undefined)
  })
  t.ok(secrets.length > 4)
  t.ok(
    secrets.every((secret) => moved.keys.includes(secret)),
    'twin: the same search finds them in what the identity opens',
  )
  const { keys } = await exportOf(old.clients, { clinic, keysFor: 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p' })
  const stored = await Promise.all(
    [old, there].map(({ database }) =>
      query<{ row: string }>(
        database.adminUrl,
        `select encode(pseudonym_key, 'hex') || encode(digest_key, 'hex') as row from chartwarden_vault.clinic_keys
         union all select encode(coalesce(wrapped_key, ''), 'hex') from chartwarden_vault.identity_keys
         union all select encode(bytes, 'hex') from chartwarden_ledger.entries`,
      ),
    ),
  )
  const places: readonly (readonly [string, string])[] = [
    ['logs', JSON.stringify([old.logs.lines, there.logs.lines])],
    ['what was sent', `${keys.toString('hex')}${keys.toString('latin1')}`],
    [
      'databases',
      stored
        .flat()
        .map(({ row }) => row)
        .join('\n'),
    ],
  ]
  for (const [place, text] of places) {
    t.ok(text.length > 0, place)
    for (const secret of secrets) {
      for (const form of [secret, Buffer.from(secret, 'base64').toString('hex'), Buffer.from(secret, 'base64').toString('latin1')]) {
        if (text.includes(form)) t.fail(`a key stands in the ${place}`)
      }
    }
  }
})

t.test('until everything is here nothing is served; an import whose service is killed goes on where it stopped', async (t) => {
  const old = await source
  const access = () => ({ subject: staff('anna'), action: { name: 'read' }, resource: { type: 'imaging', id: 'i-1' }, purpose: 'TREAT' })
  const recording = { clinic, accesses: Array.from({ length: 500 }, access) }
  await old.clients.audit.recordAccessBatch(recording, { timeoutMs: 120_000 })
  const moved = await moveOut(old.clients, clinic)
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'moving')
  const environment = testEnvironment(database, stateDir)
  const callers = testCallers(t, stateDir, environment)
  const running = async () => {
    const process = await startServiceProcess(t, environment)
    const token = await callers.token({ clinics: [clinic] })
    return { process, clients: clientsOf({ client: (service, of) => callers.client(service, of, process.address) }, token) }
  }
  const first = await running()
  const never = Promise.withResolvers<void>()
  const stream = first.clients.audit.importLedger(importRequests(moved, { before: 400, until: never.promise }))[Symbol.asyncIterator]()
  t.match(await stream.next(), { value: { item: { case: 'stored', value: 256n } } })
  t.equal(await refusal(first), 'CLINIC_NOT_ALLOWED')
  t.match(
    await caught(
      first.clients.clinics.registerClinic({
        requestId: randomUUID(),
        clinic,
        title: 'Mine',
        timeZone: 'Europe/Berlin',
        administrator: staff('mallory'),
      }),
    ),
    { reason: 'CLINIC_EXISTS' },
    'nobody can register what is half here',
  )
  await first.process.stop('SIGKILL')
  never.resolve()
  await t.rejects(stream.next())

  const second = await running()
  t.equal(await refusal(second), 'CLINIC_NOT_ALLOWED')
  const counted = () =>
    query<{ count: string }>(database.adminUrl, `select count(*) from chartwarden_ledger.entries where clinic = '${clinic}'`)
  t.same(await counted(), [{ count: '256' }])
  const evidence = await moveIn(second.clients, { ...moved, keys: '' })
  t.equal(evidence.served, false)
  t.ok(moved.root.equals(evidence.rootHash))
  t.same(await counted(), [{ count: String(moved.size) }], 'nothing twice')
  t.equal(await refusal(second), 'CLINIC_NOT_ALLOWED', 'without keys it is evidence only')
  t.equal((await moveIn(second.clients, moved)).served, true)
  t.equal(await mayRead(second, 'anna'), Decision.PERMIT)
  t.equal(await mayRead(second, 'ben'), Decision.DENY)
})

/** With one entry changed. */
const at = (moved: Moved, index: number, change: (entry: Record<string, unknown>) => unknown): Moved => ({
  ...moved,
  entries: moved.entries.with(index, Buffer.from(JSON.stringify(change(JSON.parse(moved.entries[index]?.toString() as string))))),
})

t.test('what is not the ledger announced is refused with the revision, and nothing of it is served', async (t) => {
  const there = await installation(t)
  const moved = await firstExport()
  const last = moved.entries.length - 1
  const swapped = moved.entries.with(3, moved.entries[4] as Buffer).with(4, moved.entries[3] as Buffer)
  const roleDefined = moved.entries.findIndex((bytes) => bytes.includes('role.defined'))
  const cases: readonly (readonly [string, Moved, number])[] = [
    ['another clinic', at(moved, 2, (entry) => ({ ...entry, source: '/clinics/south' })), 2],
    ['not canonical', { ...moved, entries: moved.entries.with(5, Buffer.concat([moved.entries[5] as Buffer, Buffer.from(' ')])) }, 5],
    ['not UTF-8', { ...moved, entries: moved.entries.with(5, Buffer.from([0xff, 0xfe])) }, 5],
    ['too large', at(moved, 4, (entry) => ({ ...entry, data: { x: 'x'.repeat(70_000) } })), 4],
    ['empty', { ...moved, entries: moved.entries.with(4, Buffer.alloc(0)) }, 4],
    ['a member more', at(moved, 4, (entry) => ({ ...entry, zzz: 'x' })), 4],
    ['a type nobody knows', at(moved, 6, (entry) => ({ ...entry, type: 'chartwarden.other.v9' })), 6],
    ['data that cannot be folded', at(moved, roleDefined, (entry) => ({ ...entry, data: {} })), roleDefined],
    ['no registration', { ...moved, entries: moved.entries.slice(1), size: moved.size - 1n }, 0],
    ['a registration twice', { ...moved, entries: moved.entries.with(3, moved.entries[0] as Buffer) }, 3],
    ['too few', { ...moved, entries: moved.entries.slice(0, -1) }, last],
    ['too many', { ...moved, size: moved.size - 1n }, last],
    ['out of order', { ...moved, entries: swapped }, last],
    ['another root', { ...moved, root: Buffer.alloc(32, 1) }, last],
  ]
  // Refusals before the first append leave nothing; the last two of the list leave entries, so they come last.
  for (const [name, wrong, revision] of cases.slice(0, -2)) {
    t.match(await caught(moveIn(there.clients, wrong)), { reason: 'IMPORT_REFUSED', metadata: { revision: String(revision) } }, name)
    t.equal(await refusal(there), 'CLINIC_NOT_ALLOWED', name)
  }
  const [, reordered, revision] = cases.at(-2) as (typeof cases)[number]
  const elsewhere = await installation(t)
  t.match(
    await caught(moveIn(elsewhere.clients, reordered)),
    { reason: 'IMPORT_REFUSED', metadata: { revision: String(revision) } },
    'out of order',
  )
  t.match(await caught(moveIn(elsewhere.clients, moved)), { reason: 'LEDGER_EXISTS', metadata: { revision: '3' } })
  const [, forged] = cases.at(-1) as (typeof cases)[number]
  t.match(await caught(moveIn(there.clients, forged)), { reason: 'IMPORT_REFUSED' }, 'another root')
  t.equal((await moveIn(there.clients, moved)).served, true, 'twin: the ledger announced is taken, also behind the refusals')
})

t.test('keys are taken only if they are the keys of the ledger that is here', async (t) => {
  const there = await installation(t)
  const moved = await firstExport()
  const lines = moved.keys.split('\n').slice(0, -1)
  const withLines = (changed: readonly string[]): Moved => ({ ...moved, keys: changed.map((line) => `${line}\n`).join('') })
  const own = clinicKeys(moved)
  const other = Buffer.alloc(32, 9).toString('base64')
  const first = JSON.parse(lines[1] as string) as Record<string, string>
  const cases: readonly (readonly [string, Moved])[] = [
    ['of another pseudonym key', withLines(lines.with(0, (lines[0] as string).replace(own.pseudonym_key, other)))],
    ['of another digest key', withLines(lines.with(0, (lines[0] as string).replace(own.digest_key, other)))],
    ['of another clinic', withLines(lines.with(0, (lines[0] as string).replace('"north"', '"south"')))],
    ['with another data key', withLines(lines.with(1, JSON.stringify({ ...first, key: other })))],
    ['with a key missing', withLines(lines.toSpliced(1, 1))],
    [
      'with a key missing and the count mended',
      withLines([...lines.slice(0, 1), ...lines.slice(2, -1), `{"identities":${lines.length - 3}}`]),
    ],
    ['out of order', withLines([...lines.slice(0, 1), ...lines.slice(1, -1).toReversed(), ...lines.slice(-1)])],
    ['cut', withLines(lines.slice(0, -1))],
    ['cut in the middle of a line', { ...moved, keys: moved.keys.slice(0, -5) }],
    ['no keys at all', { ...moved, keys: 'age-encryption.org/v1\n' }],
  ]
  for (const [name, wrong] of cases) {
    t.match(await caught(moveIn(there.clients, wrong)), { reason: 'IMPORT_REFUSED' }, name)
    t.equal(await refusal(there), 'CLINIC_NOT_ALLOWED', name)
  }
  t.equal((await moveIn(there.clients, moved)).served, true, 'twin: the right keys are taken after all of that')
})

t.test('a clinic that has another ledger here keeps it', async (t) => {
  const old = await source
  const there = await installation(t)
  const moved = await moveOut(old.clients, clinic)
  await registerTestClinic(there.clients, clinic)
  t.match(await caught(moveIn(there.clients, moved)), { reason: 'LEDGER_EXISTS' })
  await hire(there.clients, clinic, 'zoe')
  t.equal(await mayRead(there, 'zoe'), Decision.PERMIT)
  await mayRead(old, 'anna')
  t.match(await caught(moveIn(old.clients, moved)), { reason: 'LEDGER_EXISTS' }, 'where it came from it has gone on')
})

t.test('only whoever may register clinics imports one, and the first message is a head', async (t) => {
  const { service, clients } = await installation(t)
  const reader = clientsOf(service, await service.token({ clinics: [clinic], scopes: ['ledger.export'] }))
  const moved: Moved = { clinic, size: 1n, root: Buffer.alloc(32), origin: 'o', entries: [Buffer.from('{}')], keys: '' }
  t.match(await caught(moveIn(reader, moved)), { reason: 'SCOPE_MISSING' })
  t.match(await caught(moveIn(clients, { ...moved, clinic: '_system' })), { fields: [{ field: 'head.clinic' }] })
  t.match(await caught(moveIn(clients, { ...moved, size: 0n, root: Buffer.alloc(3), origin: '' })), {
    fields: [{ field: 'head.size' }, { field: 'head.root_hash' }, { field: 'head.origin' }],
  })
  const headless = async function* () {
    yield { item: { case: 'canonical' as const, value: Buffer.from('{}') } }
  }
  t.match(await caught((async () => void (await clients.audit.importLedger(headless())[Symbol.asyncIterator]().next()))()), {
    fields: [{ field: 'head' }],
  })
})
