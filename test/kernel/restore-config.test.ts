import path from 'node:path'
import t from 'tap'
import { type Environment, readConfig } from '../../services/kernel/config.ts'
import { readDrillConfig, readRestoreConfig } from '../../services/kernel/restore-config.ts'

const backups = { CHARTWARDEN_BACKUP_TARGET: '/backups', CHARTWARDEN_BACKUP_RECIPIENTS_FILE: '/recipients' }
const drills = { ...backups, CHARTWARDEN_DRILL_HOURS: '168', CHARTWARDEN_BACKUP_IDENTITY_FILE: '/identity' }

t.test('a service makes drills only where it is told how often, of what, and by whose identity', async (t) => {
  t.equal(readConfig(backups).drill, undefined)
  t.equal(readConfig({ ...drills, CHARTWARDEN_DRILL_HOURS: '0' }).drill, undefined)
  t.same(readConfig({ ...drills, CHARTWARDEN_STATE_DIR: '/state' }).drill, {
    hours: 168,
    identityFile: '/identity',
    scratch: { serverUrl: undefined, directory: path.join('/state', 'drill') },
  })
  const serverUrl = 'postgresql://drill@scratch/postgres'
  t.match(readConfig({ ...drills, CHARTWARDEN_DRILL_DATABASE_URL: serverUrl }).drill, { scratch: { serverUrl } })
  for (const needed of ['CHARTWARDEN_BACKUP_TARGET', 'CHARTWARDEN_BACKUP_IDENTITY_FILE'] as const) {
    const environment: Environment = { ...drills, [needed]: undefined }
    t.throws(() => readConfig(environment), { message: `CHARTWARDEN_DRILL_HOURS needs ${needed} beside it.` })
  }
})

t.test('what a restore needs is less than what a service needs', async (t) => {
  const production = { CHARTWARDEN_MODE: 'production', CHARTWARDEN_MASTER_KEY_FILE: '/master.key', CHARTWARDEN_BACKUP_TARGET: '/backups' }
  t.match(readRestoreConfig(production), {
    target: { kind: 'directory', directory: '/backups' },
    masterKey: { kind: 'file', file: '/master.key' },
    signing: undefined,
    identityFile: undefined,
  })
  t.throws(() => readRestoreConfig({}), { message: 'CHARTWARDEN_BACKUP_TARGET is required.' })
  t.throws(() => readRestoreConfig({ CHARTWARDEN_MODE: 'production', CHARTWARDEN_BACKUP_TARGET: '/backups' }), {
    message: /CHARTWARDEN_MASTER_KEY is required in production/,
  })
  const elsewhere = { CHARTWARDEN_KURRENTDB_URL: 'kurrentdb://ledger:2113?tls=false' }
  t.throws(() => readRestoreConfig({ ...production, ...elsewhere }), { message: /A backup is restored into PostgreSQL/ })
})

t.test('a drill that is recorded also needs the database of the service', async (t) => {
  t.equal(readDrillConfig(backups).databaseUrls, undefined, 'the embedded one')
  t.match(readDrillConfig({ ...backups, DATABASE_URL: 'postgres://one' }).databaseUrls, { writer: 'postgres://one' })
})
