/** Another key for the log of a clinic, over the whole service: who may, what is recorded, and who can still verify. */
import { randomUUID } from 'node:crypto'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import t, { type Test } from 'tap'
import type { LogKeyAdded } from '../../services/access/events.ts'
import { parseVerifierKey, type VerifierKey, verifyNote } from '../../services/audit/log/note.ts'
import type { Scope } from '../../services/kernel/scopes.ts'
import { checkOf } from '../support/check-of.ts'
import { clientsOf, hire, registerTestClinic, staff } from '../support/clinic.ts'
import { commandLine } from '../support/command-line.ts'
import { fault } from '../support/fault.ts'
import { createLedgerReader } from '../support/ledger-reader.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { query } from '../support/query.ts'
import { ownScopes, scratchDirectory, startTestService } from '../support/service.ts'
import { waitFor } from '../support/wait-for.ts'

t.setTimeout(300_000)

const clinic = 'north'
const environment = { CHARTWARDEN_PUBLISH_INTERVAL_MS: '100' }

const aClinic = async (test: Test, more: Readonly<Record<string, string>> = {}) => {
  const database = await createTestDatabase(test)
  const stateDir = scratchDirectory(test, 'log-keys')
  const start = async () => {
    const service = await startTestService(test, { database, stateDir, environment: { ...environment, ...more } })
    const own = clientsOf(service, await service.token({ clinics: [clinic] }))
    const acting = clientsOf(service, await service.token({ clinics: [clinic], scopes: [...ownScopes, 'act'] as Scope[] }))
    return { service, own, acting }
  }
  const started = await start()
  await registerTestClinic(started.own, clinic)
  return { ...started, start, database, stateDir, ledgers: await createLedgerReader(test, database) }
}

type Clients = Awaited<ReturnType<typeof aClinic>>['own']

/** The newest checkpoint once it covers an entry. */
const checkpointOver = async ({ audit }: Clients, revision: bigint) => {
  await audit.awaitReceipt({ clinic, key: { case: 'revision', value: revision } })
  const { checkpoint } = await audit.getCheckpoint({ clinic })
  return checkpoint?.note ?? ''
}

const keyOf = (text: string): VerifierKey => parseVerifierKey(text) as VerifierKey

t.test('both keys sign until the old one retires, then only the new; the ledger names it', async (t) => {
  const { own, ledgers, service, start, database } = await aClinic(t)
  const { verifierKeys } = await own.audit.awaitReceipt({ clinic, key: { case: 'revision', value: 0n } })
  t.equal(verifierKeys.length, 1)
  const old = keyOf(verifierKeys[0] as string)

  const requestId = randomUUID()
  const { entry, verifierKey, replayed } = await own.audit.rotateLogKey({ clinic, requestId })
  t.equal(replayed, false)
  const added = keyOf(verifierKey)
  t.not(added.keyId, old.keyId)
  const recorded = (await ledgers.entries(clinic)).find(({ revision }) => revision === entry?.revision)
  const data = recorded?.data as unknown as LogKeyAdded
  t.match(data, { verifier_key: verifierKey, retiring: verifierKeys, actor: {} })
  const days = (Date.parse(data.retire_at) - Date.now()) / 86_400_000
  t.ok(days > 29.9 && days <= 30, `in ${days} days`)

  const during = await checkpointOver(own, entry?.revision ?? 0n)
  for (const key of [old, added]) t.match(verifyNote(during, [key]), { kind: 'verified', by: [key] }, 'whoever holds either of them')

  const repeat = await own.audit.rotateLogKey({ clinic, requestId })
  t.match(repeat, { replayed: true, verifierKey, entry: { revision: entry?.revision } })
  t.same((await own.audit.awaitReceipt({ clinic, key: { case: 'revision', value: 0n } })).verifierKeys, [verifierKey, ...verifierKeys])

  await service.stop()
  await query(
    database.adminUrl,
    'update chartwarden_vault.log_key_activations set retire_others_at = now() where retire_others_at is not null',
  )
  const { own: later } = await start()
  await hire(later, clinic, 'nina')
  const after = await checkpointOver(later, (await ledgers.entries(clinic)).at(-1)?.revision ?? 0n)
  t.match(verifyNote(after, [added]), { kind: 'verified' })
  t.match(verifyNote(after, [old]), { kind: 'unknown_keys' })
})

t.test('a person needs to be permitted to settle what holds in the clinic; a refusal is recorded and makes no key', async (t) => {
  const { own, acting, database, ledgers } = await aClinic(t)
  await own.audit.awaitReceipt({ clinic, key: { case: 'revision', value: 0n } })
  await hire(own, clinic, 'nina')
  const rows = async () => (await query(database.adminUrl, `select id from chartwarden_vault.log_keys where clinic = '${clinic}'`)).length
  const before = await rows()
  await t.rejects(acting.audit.rotateLogKey({ clinic, requestId: randomUUID(), onBehalfOf: staff('nina') }), fault('NOT_PERMITTED'))
  t.equal((await ledgers.entries(clinic)).at(-1)?.type, 'chartwarden.access.decided.v1')
  t.equal(await rows(), before)
  await t.rejects(acting.audit.rotateLogKey({ clinic, requestId: randomUUID() }), fault('PERSON_REQUIRED'))
  const { verifierKey } = await acting.audit.rotateLogKey({ clinic, requestId: randomUUID(), onBehalfOf: staff('boss') })
  t.ok(parseVerifierKey(verifierKey))
  t.equal(await rows(), before + 1)
})

t.test('a moment that is too near, and another request under a used id, are refused and change nothing', async (t) => {
  const { own, ledgers } = await aClinic(t)
  const entries = async () => (await ledgers.entries(clinic)).length
  const before = await entries()
  for (const milliseconds of [-1, 0, 30_000]) {
    const retireAt = timestampFromMs(Date.now() + milliseconds)
    await t.rejects(own.audit.rotateLogKey({ clinic, requestId: randomUUID(), retireAt }), {
      ...fault('INVALID_ARGUMENT'),
      fields: [{ field: 'retire_at' }],
    } as never)
  }
  t.equal(await entries(), before)
  const requestId = randomUUID()
  const retireAt = timestampFromMs(Date.now() + 120_000)
  const first = await own.audit.rotateLogKey({ clinic, requestId, retireAt })
  await t.rejects(own.audit.rotateLogKey({ clinic, requestId }), fault('REQUEST_MISMATCH'))
  t.match(await own.audit.rotateLogKey({ clinic, requestId, retireAt }), { replayed: true, verifierKey: first.verifierKey })
})

t.test('a call that was cut off behind its entry is finished by its repeat', async (t) => {
  const { own, database } = await aClinic(t)
  const requestId = randomUUID()
  const { entry, verifierKey } = await own.audit.rotateLogKey({ clinic, requestId })
  await query(database.adminUrl, 'delete from chartwarden_vault.log_key_activations where ordinal >= 0')
  t.match(await own.audit.rotateLogKey({ clinic, requestId }), { replayed: true, verifierKey })
  const key = keyOf(verifierKey)
  await waitFor('the signature of the new key', async () => {
    await hire(own, clinic, `n-${randomUUID().slice(0, 8)}`)
    return verifyNote(await checkpointOver(own, entry?.revision ?? 0n), [key]).kind === 'verified'
  })
})

t.test('where nothing is signed there is no key to change', async (t) => {
  const { own, ledgers } = await aClinic(t, { CHARTWARDEN_SIGNER_DIR: 'off' })
  const before = (await ledgers.entries(clinic)).length
  await t.rejects(own.audit.rotateLogKey({ clinic, requestId: randomUUID() }), fault('LOG_OFF'))
  t.equal((await ledgers.entries(clinic)).length, before)
})

t.test(
  'where another process signs, its key is changed here too; a log that has not grown since is still known to be its own',
  async (t) => {
    const { own, service, database, stateDir } = await aClinic(t)
    await own.audit.awaitReceipt({ clinic, key: { case: 'revision', value: 0n } })
    await service.stop()
    const elsewhere = { CHARTWARDEN_SIGNER_DIR: 'off', CHARTWARDEN_LOG_ORIGIN: 'chartwarden.localhost' }
    const serve = async () => {
      const serving = await startTestService(t, { database, stateDir, environment: elsewhere })
      return { serving, clients: clientsOf(serving, await serving.token({ clinics: [clinic, 'south'] })) }
    }
    const { serving, clients } = await serve()
    const { checks } = (await (await fetch(`http://127.0.0.1:${serving.httpPort}/readyz`)).json()) as { checks: { log: string } }
    t.match(checks.log, /^elsewhere: another process signs/)
    await registerTestClinic(clients, 'south')
    await t.rejects(clients.audit.getCheckpoint({ clinic: 'south' }), fault('NOT_PUBLISHED'))
    const { verifierKey } = await clients.audit.rotateLogKey({ clinic, requestId: randomUUID() })
    t.match(keyOf(verifierKey), { name: 'chartwarden.localhost/v1/clinics/north/log' })
    await serving.stop()

    await query(
      database.adminUrl,
      'update chartwarden_vault.log_key_activations set retire_others_at = now() where retire_others_at is not null',
    )
    const later = (await serve()).clients.audit
    const { checkpoint } = await later.getCheckpoint({ clinic })
    t.match(verifyNote(checkpoint?.note ?? '', [keyOf(verifierKey)]), { kind: 'unknown_keys' }, 'signed by the retired key alone')
    t.match((await checkOf(later, clinic)).result, { faults: { length: 0 }, checkpoint: checkpoint?.note })
  },
)

t.test('by the command line', async (t) => {
  const { service } = await aClinic(t)
  const chartwarden = commandLine({
    CHARTWARDEN_GRPC_ADDR: service.address,
    CHARTWARDEN_TOKEN: await service.token({ clinics: [clinic] }),
  })
  const requestId = randomUUID()
  const ran = await chartwarden('log', 'rotate-key', '--clinic', clinic, '--request-id', requestId)
  t.match(ran, {
    code: 0,
    out: /^chartwarden\.localhost\/v1\/clinics\/north\/log\+[0-9a-f]{8}\+\S+\nsigns the log of north from now on\.\n {2}/,
  })
  t.match(await chartwarden('log', 'rotate-key', '--clinic', clinic, '--request-id', requestId), {
    code: 0,
    out: /from now on \(a repeat\)/,
  })
  const { out } = await chartwarden('log', 'rotate-key', '--clinic', clinic, '--json')
  t.ok(parseVerifierKey((JSON.parse(out) as { readonly verifier_key: string }).verifier_key))
  const early = await chartwarden('log', 'rotate-key', '--clinic', clinic, '--retire-at', '2020-01-01T00:00:00Z')
  t.match(early, { code: 2, err: /--retire-at: must be at least a minute ahead/ })
})
