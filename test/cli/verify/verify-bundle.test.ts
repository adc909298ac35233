/** `chartwarden verify <file>` on evidence that the service exported, as it came and damaged. */
import { randomUUID } from 'node:crypto'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { formatVerifierKey, verifierKeyOf } from '../../../services/audit/log/note.ts'
import { clientsOf, hire, registerTestClinic, staff } from '../../support/clinic.ts'
import { commandLine } from '../../support/command-line.ts'
import { logKeyOf } from '../../support/kept-ledger.ts'
import { createTestDatabase } from '../../support/postgres.ts'
import { startTestService } from '../../support/service.ts'

const exported = async (t: Test) => {
  const service = await startTestService(t, {
    database: await createTestDatabase(t),
    environment: { CHARTWARDEN_PUBLISH_INTERVAL_MS: '100' },
  })
  const clients = clientsOf(service, await service.token({ clinics: ['north'] }))
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'anna')
  const accesses = Array.from({ length: 280 }, (_, count) => ({
    requestId: randomUUID(),
    clinic: 'north',
    subject: staff('anna'),
    action: { name: 'read' },
    resource: { type: 'imaging', id: `i-${count}`, patientId: `p-${count % 7}` },
    purpose: 'TREAT',
  }))
  await clients.audit.recordAccessBatch({ clinic: 'north', accesses })
  const online = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  const directory = t.testdir()
  const file = (name: string): string => path.join(directory, name)
  const run = async (...argv: readonly string[]) => {
    const ran = await online(...argv)
    t.equal(ran.code, 0, `${argv.join(' ')}: ${ran.err}`)
    return ran.out
  }
  await clients.audit.awaitReceipt({ clinic: 'north', key: { case: 'revision', value: 285n } })
  const { checkpoint, verifierKeys } = await clients.audit.getCheckpoint({ clinic: 'north' })
  writeFileSync(file('kept.checkpoint'), checkpoint?.note as string)
  await run('export', '--clinic', 'north', '--output', file('whole.zip'))
  await run('export', '--clinic', 'north', '--patient', 'p-3', '--output', file('patient.zip'))
  writeFileSync(file('entry'), await run('ledger', 'read', '--clinic', 'north', '--from', '3', '--until', '3'))
  await run('ledger', 'receipt', '--clinic', 'north', '--revision', '3', '--output', file('entry.tlog-proof'))
  const bytes = readFileSync(file('whole.zip'))
  return { file, bytes, key: verifierKeys[0] as string, offline: commandLine({}) }
}

t.test('a whole ledger and a selection are verified without any service', async (t) => {
  const { file, key, offline } = await exported(t)
  const whole = await offline(
    'verify',
    file('whole.zip'),
    '--key',
    key,
    '--trusted-checkpoint',
    file('kept.checkpoint'),
    '--receipt',
    file('entry.tlog-proof'),
  )
  t.equal(whole.code, 0, whole.err + whole.out)
  t.match(whole.out, /^north: verified\.$/m)
  t.match(whole.out, '- the checkpoint of the file: ')
  t.match(whole.out, 'revision 3 is proven to be')
  t.match(whole.out, /Whether the checkpoint of the receipt in .* fits/, 'the receipt is newer than the file, which is no roll-back')
  const selection = await offline('verify', file('patient.zip'), '--key', key)
  t.equal(selection.code, 0, selection.err + selection.out)
  t.match(selection.out, /Read: 4\d entries \(revisions 1\d, [\d, to]+\), from 20/)
  t.match(selection.out, 'That entries were left out')
  const other = formatVerifierKey(verifierKeyOf('chartwarden.localhost/v1/clinics/north/log', logKeyOf('somebody else')))
  for (const name of ['whole.zip', 'patient.zip']) {
    const ran = await offline('verify', file(name), '--key', other)
    t.equal(ran.code, 10, `twin: ${name} under another key`)
    t.match(ran.out, 'key_replaced')
  }
})

t.test('a file that was changed or cut is refused or found, wherever it was', async (t) => {
  const { file, bytes, key, offline } = await exported(t)
  for (let part = 1; part < 12; part += 1) {
    const changed = Buffer.from(bytes)
    const at = Math.floor((bytes.length * part) / 12)
    changed[at] = (changed[at] ?? 0) ^ 1
    writeFileSync(file('changed.zip'), changed)
    const ran = await offline('verify', file('changed.zip'), '--key', key)
    t.equal(ran.code, 10, `byte ${at}: ${ran.err}`)
    t.match(ran.out, /file_changed: north/)
    writeFileSync(file('cut.zip'), bytes)
    truncateSync(file('cut.zip'), at)
    t.equal((await offline('verify', file('cut.zip'), '--key', key)).code, 10, `cut at ${at}`)
  }
  const edited = (from: string, change: (text: string) => string): string => {
    const text = readFileSync(file(from)).toString('latin1')
    writeFileSync(file('edited.zip'), Buffer.from(change(text), 'latin1'))
    return file('edited.zip')
  }
  const another = (text: string): string => text.replace(/("type":"chartwarden.access.)recorded/, '$1recordet')
  for (const name of ['patient.zip', 'whole.zip']) {
    const ran = await offline('verify', edited(name, another), '--key', key)
    t.equal(ran.code, 10, ran.err)
    t.match(ran.out, /entry_changed: north, revision \d+,/, `${name}: the entry is named, not its name in the file alone`)
  }
  const index = await offline(
    'verify',
    edited('patient.zip', (text) => text.replace('access recorded,', 'access recordet,')),
    '--key',
    key,
  )
  t.match(index, { code: 10, out: /DAMAGED: 1 fault\..*index\.csv is not as it was written/s }, 'the index alone')
  const manifest = await offline(
    'verify',
    edited('patient.zip', (text) => text.replace(/"size":"\d/, '"size":"9')),
    '--key',
    key,
  )
  t.match(manifest, { code: 10, err: /manifest\.json does not say what the checkpoint says/ })
  t.match(
    await offline(
      'verify',
      edited('patient.zip', () => 'PK\x03\x04 and more of it'),
      '--key',
      key,
    ),
    { code: 2 },
    'no bundle at all',
  )
  t.equal((await offline('verify', file('whole.zip'), '--key', key)).code, 0, 'twin: as it came')
})
