/** The commands of the guide to backups, over an installation with a clinic in it, and an empty database beside it. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import type { Environment } from '../services/kernel/config.ts'
import { ageKeys } from './support/backups.ts'
import { clientsOf, hire, registerTestClinic } from './support/clinic.ts'
import { commandLine } from './support/command-line.ts'
import { documentedCommands } from './support/documented-commands.ts'
import { createTestDatabase } from './support/postgres.ts'
import type { TestDatabase } from './support/postgres-server.ts'
import { scratchDirectory, startTestService, testEnvironment } from './support/service.ts'
import { waitFor } from './support/wait-for.ts'

const page = path.resolve(import.meta.dirname, '../docs/how-to/back-up-and-restore.md')

t.test('somebody follows the guide', async (t) => {
  const [database, empty] = [await createTestDatabase(t), await createTestDatabase(t)]
  const service = await startTestService(t, { database })
  const { stateDir } = service
  const clients = clientsOf(service, await service.token({ clinics: ['north'] }))
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'dana')
  await waitFor('a checkpoint of all of it', async () => {
    const found = await clients.audit.getCheckpoint({ clinic: 'north' }).catch(() => undefined)
    return found !== undefined && found.checkpoint?.size === found.sequenced
  })
  const scratch = scratchDirectory(t, 'guide')
  const { identity, recipient } = await ageKeys()
  const file = (name: string, text: string): string => {
    writeFileSync(path.join(scratch, name), text)
    return path.join(scratch, name)
  }
  const kept = {
    CHARTWARDEN_BACKUP_TARGET: path.join(scratch, 'backups'),
    CHARTWARDEN_BACKUP_RECIPIENTS_FILE: file('recipients.txt', `${recipient}\n`),
    CHARTWARDEN_BACKUP_IDENTITY_FILE: file('backup-identity.txt', `${identity}\n`),
    CHARTWARDEN_DRILL_DATABASE_URL: database.adminUrl,
  }
  const on = (of: TestDatabase) => commandLine({ ...testEnvironment(of, stateDir), ...kept } as Environment)
  const said: string[] = []
  for (const { command, exits } of documentedCommands(page)) {
    const words = command.split(' ').slice(2)
    if (words[0] === 'restore') await service.stop()
    const { code, out, err } = await on(words[0] === 'restore' ? empty : database)(...words)
    t.equal(code, exits, `${command} ${err}`)
    said.push(out)
  }
  t.match(said, [
    /^Backup 1 is complete \(full\): \d+ entries of 2 ledgers/,
    /^BACKUP +KIND[\s\S]*1 +full/,
    /^Backup 1 can be restored: \d+ entries of 2 ledgers, \d+ bytes read, in [\d.]+ s; every entry is as it was signed\.\nRecorded as entry \S{36} of _system\./,
    /^Restored backup 1 of \S+Z: \d+ entries of 2 ledgers, in [\d.]+ s\.\nEach entry was read again/,
  ])
})
