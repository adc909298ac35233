import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openBackupStore } from '../../../services/audit/backup/open-backup-store.ts'
import { systemClock } from '../../../services/kernel/clock.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { startS3Double } from '../../support/s3-double.ts'
import { scratchDirectory } from '../../support/service.ts'

const options = { clock: systemClock, randomness: systemRandomness }

t.test('the store that is configured is opened', async (t) => {
  const double = await startS3Double(t)
  const directory = join(scratchDirectory(t, 'backups'), 'store')
  const { endpoint, bucket } = double
  for (const store of [
    await openBackupStore({ kind: 'directory', directory }, options),
    await openBackupStore({ kind: 's3', bucket, prefix: 'clinics/', endpoint }, options),
  ]) {
    t.equal(await store.write('object', Buffer.from('x')), 'written')
    t.same(await store.list(''), ['object'])
    t.equal(String(await store.read('object')), 'x')
    await store.remove('object')
    t.equal(await store.read('object'), undefined)
  }
  t.equal((await openBackupStore({ kind: 's3', bucket, prefix: 'clinics/', endpoint }, options)).where, `s3://${bucket}/clinics/`)
})

t.test('what is wrong with the place is said with its name, and may pass', async (t) => {
  const double = await startS3Double(t)
  const file = join(scratchDirectory(t, 'backups'), 'file')
  writeFileSync(file, 'x')
  const directory = await openBackupStore({ kind: 'directory', directory: file }, options)
  const bucket = await openBackupStore({ kind: 's3', bucket: 'no-such-bucket', prefix: '', endpoint: double.endpoint }, options)
  const nowhere = await openBackupStore({ kind: 's3', bucket: 'no-such-bucket', prefix: '', endpoint: 'http://127.0.0.1:9' }, options)
  for (const [store, words] of [
    [directory, `The place of the backups, ${file}, cannot be used: ENOTDIR.`],
    [bucket, 'The place of the backups, s3://no-such-bucket/, cannot be used: NoSuchBucket.'],
    [nowhere, 'The place of the backups, s3://no-such-bucket/, cannot be used: ECONNREFUSED.'],
  ] as const) {
    await t.rejects(store.list(''), { name: 'StartError', message: words, mayPass: true })
    await t.rejects(store.write('object', Buffer.from('x')), { name: 'StartError', message: words })
  }
})
