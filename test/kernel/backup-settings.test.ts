import t from 'tap'
import { readBackupConfig, readConfig } from '../../services/kernel/config.ts'
import { StartError } from '../../services/kernel/start-error.ts'

const recipients = { CHARTWARDEN_BACKUP_RECIPIENTS_FILE: '/etc/chartwarden/recipients' }

const refusal = (environment: Record<string, string>): string => {
  try {
    readBackupConfig(environment)
    return ''
  } catch (thrown) {
    if (thrown instanceof StartError) return thrown.message
    throw thrown
  }
}

t.test('a directory or a bucket, with what is said of when and how many', async (t) => {
  t.equal(readConfig({}).backup, undefined)
  t.strictSame(readConfig({ ...recipients, CHARTWARDEN_BACKUP_TARGET: '/mnt/backups' }).backup, {
    target: { kind: 'directory', directory: '/mnt/backups' },
    recipientsFile: '/etc/chartwarden/recipients',
    hours: 1,
    fullDays: 7,
    keep: 5,
  })
  const chosen = readConfig({
    ...recipients,
    CHARTWARDEN_BACKUP_TARGET: 's3://clinic-backups/chartwarden/east/',
    CHARTWARDEN_BACKUP_ENDPOINT: 'https://storage.example:9000',
    CHARTWARDEN_BACKUP_HOURS: '0',
    CHARTWARDEN_BACKUP_FULL_DAYS: '30',
    CHARTWARDEN_BACKUP_KEEP: '1',
  })
  t.strictSame(chosen.backup, {
    target: { kind: 's3', bucket: 'clinic-backups', prefix: 'chartwarden/east/', endpoint: 'https://storage.example:9000' },
    recipientsFile: '/etc/chartwarden/recipients',
    hours: 0,
    fullDays: 30,
    keep: 1,
  })
  t.match(readConfig({ ...recipients, CHARTWARDEN_BACKUP_TARGET: 's3://clinic-backups' }).backup?.target, {
    prefix: '',
    endpoint: undefined,
  })
})

t.test('what is not one of these is refused by name', async (t) => {
  t.match(refusal({}), /CHARTWARDEN_BACKUP_TARGET is required/)
  t.match(refusal({ CHARTWARDEN_BACKUP_TARGET: '/mnt/backups' }), /CHARTWARDEN_BACKUP_TARGET needs CHARTWARDEN_BACKUP_RECIPIENTS_FILE/)
  for (const target of [
    's3://',
    's3://B',
    's3://bucket//x',
    's3://bucket/../x',
    's3://user:secret@bucket/x',
    'gs://bucket',
    'https://bucket',
  ])
    t.match(refusal({ ...recipients, CHARTWARDEN_BACKUP_TARGET: target }), /CHARTWARDEN_BACKUP_TARGET must be a path, or s3:/, target)
  t.notMatch(refusal({ ...recipients, CHARTWARDEN_BACKUP_TARGET: 's3://user:secret@bucket/x' }), /secret/)
  for (const [name, value] of [
    ['CHARTWARDEN_BACKUP_HOURS', '-1'],
    ['CHARTWARDEN_BACKUP_FULL_DAYS', '0'],
    ['CHARTWARDEN_BACKUP_KEEP', '0'],
    ['CHARTWARDEN_BACKUP_ENDPOINT', 'storage.example'],
  ] as const)
    t.match(refusal({ ...recipients, CHARTWARDEN_BACKUP_TARGET: '/mnt/backups', [name]: value }), new RegExp(`${name} must be`))
})

t.test('in production no backups lie where what they are of lies', async (t) => {
  const production = {
    ...recipients,
    CHARTWARDEN_MODE: 'production',
    CHARTWARDEN_STATE_DIR: '/var/lib/chartwarden',
    CHARTWARDEN_MASTER_KEY_FILE: '/run/secrets/master',
  }
  t.match(refusal({ ...production, CHARTWARDEN_BACKUP_TARGET: '/var/lib/chartwarden/backups' }), /lies in CHARTWARDEN_STATE_DIR/)
  t.equal(refusal({ ...production, CHARTWARDEN_BACKUP_TARGET: '/var/lib/chartwarden-backups' }), '')
  const { CHARTWARDEN_MODE: _, ...development } = production
  t.equal(refusal({ ...development, CHARTWARDEN_BACKUP_TARGET: '/var/lib/chartwarden/backups' }), '', 'twin: only there')
})

t.test('where the ledgers are not in Postgres, a backup of it would hold none of them', async (t) => {
  const words = refusal({
    ...recipients,
    CHARTWARDEN_BACKUP_TARGET: '/mnt/backups',
    CHARTWARDEN_KURRENTDB_URL: 'kurrentdb://localhost:2113?tls=false',
  })
  t.match(words, /CHARTWARDEN_BACKUP_TARGET is for ledgers in Postgres/)
})
