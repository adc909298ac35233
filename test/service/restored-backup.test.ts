/** A service over a database that was restored from an older copy, with the signer store of now. */
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import t from 'tap'
import { retireOrigin } from '../../services/audit/log/signer/operate.ts'
import { createSignerFiles } from '../../services/audit/log/signer/signer-files.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { caught } from '../support/caught.ts'
import { clientsOf, hire, registerTestClinic } from '../support/clinic.ts'
import { danaAsks } from '../support/clinic-process.ts'
import { commandLine } from '../support/command-line.ts'
import { fault } from '../support/fault.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { openPool } from '../support/postgres-engine.ts'
import { backupOf } from '../support/sealing.ts'
import { scratchDirectory, startTestService } from '../support/service.ts'
import { waitFor } from '../support/wait-for.ts'

t.setTimeout(280_000)

t.test('the clinic whose ledger is behind is not served until its log is retired, which the ledger then says; others are', async (t) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'restored')
  const superuser = openPool(t, database.adminUrl)
  const start = async () => {
    const service = await startTestService(t, { database, stateDir })
    return { service, clients: clientsOf(service, await service.token({ clinics: ['north', 'south'] })) }
  }
  const published = (clinic: string) =>
    waitFor(`a checkpoint of all of ${clinic}`, async () => {
      const { rowCount } = await superuser.query(
        `select from chartwarden_log.checkpoints c join chartwarden_log.logs l using (clinic, generation) join chartwarden_ledger.heads h using (clinic)
         where clinic = $1 and c.size = h.revision + 1`,
        [clinic],
      )
      return rowCount === 1
    })

  const before = await start()
  for (const clinic of ['north', 'south']) {
    await registerTestClinic(before.clients, clinic)
    await hire(before.clients, clinic, 'dana')
    await published(clinic)
  }
  const ask = (clients: typeof before.clients, clinic: string) => clients.access.check({ ...danaAsks(), requestId: randomUUID(), clinic })
  const restore = await backupOf(superuser, 'north')
  const size = async () => (await before.clients.audit.getCheckpoint({ clinic: 'north' })).checkpoint?.size ?? 0n
  const kept = await size()
  await before.clients.people.offboard({ requestId: randomUUID(), clinic: 'north', subject: { type: 'staff', id: 'dana' } })
  await published('north')
  const signedBefore = await size()
  await before.service.stop()
  await restore()

  const after = await start()
  await t.rejects(ask(after.clients, 'north'), fault('LEDGER_REGRESSED'), 'whom the lost entry barred is not let in again')
  t.ok((await ask(after.clients, 'south')).entry)
  await t.rejects(after.clients.people.listStaff({ clinic: 'north' }), fault('LEDGER_REGRESSED'), 'nor shown as still there')
  await t.rejects(after.clients.people.getStaff({ clinic: 'north', subject: { type: 'staff', id: 'dana' } }), fault('LEDGER_REGRESSED'))
  t.ok((await after.clients.people.listStaff({ clinic: 'south' })).staff.length > 0)
  const head = () => after.clients.audit.getCheckpoint({ clinic: 'north' })
  await waitFor('the halt', async () => (await head()).halted === 'ledger_behind')
  const { sequenced, signed } = await head()
  t.equal(signed, signedBefore)
  t.ok(signed > sequenced)
  const receipt = (revision: bigint) => after.clients.audit.awaitReceipt({ clinic: 'north', key: { case: 'revision', value: revision } })
  const missing = await caught(receipt(signed - 1n))
  t.equal(missing.reason, 'LEDGER_REGRESSED')
  t.match(missing.message, new RegExp(`revision ${signed - 1n} was signed \\(${signed} entries were\\) and is missing`))
  t.equal((await caught(receipt(signed))).reason, 'ENTRY_UNKNOWN')
  await published('south')

  const chartwarden = commandLine({
    CHARTWARDEN_STATE_DIR: stateDir,
    CHARTWARDEN_GRPC_ADDR: after.service.address,
    CHARTWARDEN_HTTP_ADDR: `127.0.0.1:${after.service.httpPort}`,
  })
  const told = (await chartwarden('ledger', 'checkpoint', '--clinic', 'north')).err
  t.match(told, `The log is halted: ledger_behind (${signed} were signed). See docs/how-to/mend-a-log.md.`)
  t.notMatch((await chartwarden('ledger', 'checkpoint', '--clinic', 'south')).err, 'halted')
  const verify = (clinic: string) => chartwarden('verify', '--clinic', clinic, '--state', '--projections')
  const ran = await verify('north')
  t.equal(ran.code, 10, ran.err + ran.out)
  const gone = signedBefore - kept === 1n ? `revision ${kept}` : `revisions ${kept} to ${signedBefore - 1n}`
  t.match(ran.out, `  - ledger_rolled_back: north, ${gone}`)
  t.match(ran.out, 'The log is HALTED (ledger_behind)')
  t.match(ran.out, 'docs/how-to/mend-a-log.md')
  t.equal((await verify('south')).code, 0, 'twin: a clinic that lost nothing')

  const files = createSignerFiles(path.join(stateDir, 'signer'), systemRandomness)
  const origin = 'chartwarden.localhost/v1/clinics/north/log'
  t.equal(await retireOrigin(files, origin, 'restored_backup'), 'retired')
  await waitFor('the clinic to be served', () =>
    ask(after.clients, 'north').then(
      () => true,
      () => false,
    ),
  )
  await published('north')
  const { rows } = await superuser.query<{ bytes: Buffer }>(
    `select bytes from chartwarden_ledger.entries where clinic = 'north' and type = 'chartwarden.log.restarted.v1'`,
  )
  t.equal(rows.length, 1)
  t.match(JSON.parse(String(rows[0]?.bytes)), {
    caller: 'chartwarden',
    data: { retired_origin: origin, origin: `${origin}/2`, signed_size: /^\d+$/, cause: 'restored_backup' },
  })
})
