/** A clinic's log from outside: over the network, with the published formats alone. */
import t from 'tap'
import { formatVerifierKey, parseVerifierKey } from '../../services/audit/log/note.ts'
import { parseTlogProof } from '../../services/audit/log/tlog-proof.ts'
import { leafHash } from '../../services/audit/log/tree-hash.ts'
import { verifyConsistency, verifyInclusion } from '../../services/audit/log/verify-proofs.ts'
import { caught } from '../support/caught.ts'
import { clientsOf, hire, readRecord, registerTestClinic } from '../support/clinic.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { query } from '../support/query.ts'
import { startTestService, type TestService } from '../support/service.ts'
import { checkReceipt, tlogClient } from '../support/tlog-client.ts'
import { waitFor } from '../support/wait-for.ts'

const prefixOf = ({ httpPort }: TestService, clinic: string): string => `http://127.0.0.1:${httpPort}/v1/clinics/${clinic}/log`

const readyChecks = async ({ httpPort }: TestService): Promise<Readonly<Record<string, unknown>>> =>
  ((await (await fetch(`http://127.0.0.1:${httpPort}/readyz`)).json()) as { readonly checks: Record<string, unknown> }).checks

t.test('what a clinic records can be checked from outside, entry by entry', async (t) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database, environment: { CHARTWARDEN_PUBLISH_INTERVAL_MS: '100' } })
  const own = clientsOf(service, await service.token({ clinics: ['north', 'south'] }))
  for (const clinic of ['north', 'south']) await registerTestClinic(own, clinic)
  await hire(own, 'north', 'anna')
  t.match((await readyChecks(service)).checkpointsSeenOutside, /^never/)

  const accesses = Array.from({ length: 300 }, (_, count) => {
    const { intent: _intent, ...access } = readRecord('north', 'anna', { patient: `p-${count % 7}` })
    return access
  })
  await own.audit.recordAccessBatch({ clinic: 'north', accesses })
  const { entry: decided } = await own.access.check(readRecord('north', 'anna'))
  const id = decided?.id as string

  const { receipt, entry, verifierKeys, treeSize } = await own.audit.awaitReceipt({ clinic: 'north', key: { case: 'id', value: id } })
  const vkey = verifierKeys[0] as string
  t.equal(formatVerifierKey(parseVerifierKey(vkey) as never), vkey)
  t.equal(entry?.revision, decided?.revision)
  const { entry: shown } = await own.audit.getEntry({ clinic: 'north', key: { case: 'id', value: id } })
  t.ok(checkReceipt(receipt, shown?.canonical as Uint8Array, vkey), 'the receipt proves the entry')
  t.notOk(checkReceipt(receipt, Buffer.concat([shown?.canonical as Uint8Array, Buffer.from(' ')]), vkey), 'twin')
  t.equal(parseTlogProof(receipt)?.index, decided?.revision)
  t.ok(treeSize > 300n)
  await waitFor('the word that somebody holds one', async () => (await readyChecks(service)).checkpointsSeenOutside === 'handed out')

  const client = tlogClient(
    prefixOf(service, 'north'),
    await service.token({ clinics: ['north'], scopes: ['ledger.verify'], subject: 'auditor' }),
  )
  // Fetching bundles is itself recorded, so the log grows by what follows once.
  await client.fetch('tile/entries/000')
  const { checkpoint, sequenced, integrated } = await own.audit.getCheckpoint({ clinic: 'north' })
  t.ok(sequenced >= integrated && integrated >= (checkpoint?.size ?? 0n))
  const head = await client.checkpoint(vkey)
  t.match(head.origin, 'chartwarden.localhost/v1/clinics/north/log')
  t.ok((await client.rootOfTiles(head.size)).equals(head.root), 'the tiles lead to the signed root')
  t.ok((await client.rootOfEntries(head.size)).equals(head.root), 'and so do the entries')

  await waitFor('the reading to be published', async () => Number((await client.checkpoint(vkey)).size) > head.size || head.size > 310)
  const entries = await client.entries((await client.checkpoint(vkey)).size)
  const readings = entries
    .map((bytes) => JSON.parse(bytes.toString('utf8')))
    .filter(({ type, data }) => type === 'chartwarden.trail.viewed.v1' && data.query === 'entry_bundles')
  t.match(readings, [{ caller: 'auditor', data: { streamed: true, actor: { rule: 'scope/ledger.verify' } } }], 'one reading, by its caller')
  t.equal(readings.length, 1)

  const size = BigInt((await client.checkpoint(vkey)).size)
  const inclusion = await own.audit.proveInclusion({ clinic: 'north', key: { case: 'revision', value: 17n }, treeSize: 200n })
  const claim = { leafHash: leafHash(entries[17] as Buffer), index: 17n, size: 200n, proof: inclusion.hashes, root: inclusion.rootHash }
  t.ok(verifyInclusion(claim))
  const consistency = await own.audit.proveConsistency({ clinic: 'north', firstSize: 200n, secondSize: size })
  t.ok(
    verifyConsistency({
      firstSize: 200n,
      secondSize: size,
      firstRoot: inclusion.rootHash,
      secondRoot: consistency.secondRootHash,
      proof: consistency.hashes,
    }),
  )
  const ask = async (what: string, path: string, wishes: Parameters<TestService['token']>[0], status: number) => {
    const answer = await fetch(`${prefixOf(service, 'north')}/${path}`, {
      headers: { authorization: `Bearer ${await service.token(wishes)}` },
    })
    t.equal(answer.status, status, what)
  }
  await ask('another clinic', 'tile/0/000', { clinics: ['south'] }, 403)
  await ask('another scope', 'tile/0/000', { clinics: ['north'], scopes: ['audit.read'] }, 403)
  await ask('a token for persons', 'tile/entries/000', { clinics: ['north'], scopes: ['ledger.verify', 'act'] }, 400)
  await ask('a tile beyond', 'tile/0/900', { clinics: ['north'] }, 404)

  const overHttp = await fetch(`http://127.0.0.1:${service.httpPort}/v1/clinics/north/audit/await-receipt`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await service.token({ clinics: ['north'] })}`,
      'content-type': 'application/json',
      'grpc-timeout': '20S',
    },
    body: JSON.stringify({ id }),
  })
  const twin = (await overHttp.json()) as { readonly receipt: string }
  t.ok(checkReceipt(twin.receipt, shown?.canonical as Uint8Array, vkey), 'the twin over HTTP waits and answers as well')
})

t.test('what somebody with the rights of the database edits is not proven any more', async (t) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, {
    database,
    environment: { CHARTWARDEN_PUBLISH_INTERVAL_MS: '100', CHARTWARDEN_SELF_CHECK_HOURS: '0' },
  })
  const own = clientsOf(service, await service.token({ clinics: ['north'] }))
  await registerTestClinic(own, 'north')
  await hire(own, 'north', 'anna')
  const prove = () => own.audit.proveInclusion({ clinic: 'north', key: { case: 'revision', value: 1n } })
  await own.audit.awaitReceipt({ clinic: 'north', key: { case: 'revision', value: 3n } })
  await prove()
  // A tile that is written anew would be as it was before the edit.
  await waitFor('everything to be published', async () => {
    const { checkpoint, sequenced } = await own.audit.getCheckpoint({ clinic: 'north' })
    return checkpoint?.size === sequenced
  })
  const edit = (text: string) => query(database.adminUrl, `begin; set local session_replication_role = replica; ${text}; commit`)
  const disable = 'alter table chartwarden_log.strips disable trigger all'
  await edit(
    `${disable}; update chartwarden_log.strips set hashes = set_byte(hashes, 64, (get_byte(hashes, 64) + 1) % 256) where clinic = 'north'`,
  )
  t.equal((await caught(prove())).reason, 'LOG_DAMAGED', 'a tile')
  await edit(`update chartwarden_log.strips set hashes = set_byte(hashes, 64, (get_byte(hashes, 64) + 255) % 256) where clinic = 'north'`)
  await prove()
  const entries = 'chartwarden_ledger.entries'
  await edit(
    `alter table ${entries} disable trigger all; update ${entries} set bytes = set_byte(bytes, 9, (get_byte(bytes, 9) + 1) % 256) where clinic = 'north' and revision = 1`,
  )
  t.equal((await caught(prove())).reason, 'LOG_DAMAGED', 'an entry')
  t.equal((await caught(own.audit.awaitReceipt({ clinic: 'north', key: { case: 'revision', value: 1n } }))).reason, 'LOG_DAMAGED')
  await own.audit.proveInclusion({ clinic: 'north', key: { case: 'revision', value: 2n } })
})

t.test('where nothing is signed, that is the answer', async (t) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database, environment: { CHARTWARDEN_SIGNER_DIR: 'off' } })
  const own = clientsOf(service, await service.token({ clinics: ['north', 'nowhere'] }))
  await registerTestClinic(own, 'north')
  for (const call of [
    () => own.audit.getCheckpoint({ clinic: 'north' }),
    () => own.audit.awaitReceipt({ clinic: 'north', key: { case: 'revision', value: 0n } }),
    () => own.audit.proveConsistency({ clinic: 'north', firstSize: 1n }),
  ]) {
    t.equal((await caught(call())).reason, 'LOG_OFF')
  }
  const answer = await fetch(`${prefixOf(service, 'north')}/checkpoint`, {
    headers: { authorization: `Bearer ${await service.token({ clinics: ['north'] })}` },
  })
  t.match(await answer.json(), { status: 409, reason: 'LOG_OFF' })
  t.equal((await caught(own.audit.getCheckpoint({ clinic: 'nowhere' }))).reason, 'CLINIC_NOT_ALLOWED')
  t.equal((await caught(own.audit.awaitReceipt({ clinic: 'nowhere', key: { case: 'revision', value: 0n } }))).reason, 'CLINIC_NOT_ALLOWED')
})
