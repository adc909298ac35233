import t, { type Test } from 'tap'
import { createS3BackupStore } from '../../../services/audit/backup/s3-backup-store.ts'
import { backupStoreContract } from '../../contract/backup-store.ts'
import { installationToBackUp } from '../../support/backups.ts'
import { collect } from '../../support/ledger-entries.ts'
import { type S3Double, startS3Double } from '../../support/s3-double.ts'

const storeIn = ({ bucket, endpoint }: S3Double, prefix = 'chartwarden/') => createS3BackupStore({ bucket, prefix, endpoint })

const open = async (t: Test) => storeIn(await startS3Double(t))

t.test('a bucket keeps what every store promises', (t) => backupStoreContract(t, open))

t.test('objects of others in the bucket are not seen, and theirs not touched', async (t) => {
  const double = await startS3Double(t)
  double.objects.set('other/manifests/00000001.json', Buffer.from('x'))
  const store = storeIn(double)
  await store.write('manifests/00000002.json', Buffer.from('mine'))
  t.same(await store.list('manifests/'), ['manifests/00000002.json'])
  await storeIn(double, '').write('manifests/00000003.json', Buffer.from('at the top'))
  t.same([...double.objects.keys()].sort(), [
    'chartwarden/manifests/00000002.json',
    'manifests/00000003.json',
    'other/manifests/00000001.json',
  ])
})

t.test('a listing goes on over all its pages', async (t) => {
  const store = await open(t)
  const names = Array.from({ length: 11 }, (_, index) => `segments/${String(index).padStart(8, '0')}`)
  for (const name of names) await store.write(name, Buffer.from('x'))
  t.same(await store.list('segments/'), names)
})

t.test('a store that is busy is asked again', async (t) => {
  const double = await startS3Double(t)
  const store = storeIn(double)
  double.faults.push('slow_down', 'conflict')
  t.equal(await store.write('object', Buffer.from('x')), 'written')
  t.equal(double.requests.length, 3)
})

t.test('an answer that was lost leaves no doubt: what is there is looked at', async (t) => {
  const double = await startS3Double(t)
  const store = storeIn(double)
  const installation = await installationToBackUp(t)
  await installation.clinic('north')
  double.faults.push('after', 'before')
  const { manifest } = await installation.write({ store })
  t.equal(manifest.number, 1)
  const entries = (await collect((await installation.open(1, store)).entries())).flat()
  t.equal(BigInt(entries.length), manifest.to)
})

t.test('twin: at a store that knows no conditional writes, the second of two would win', async (t) => {
  const double = await startS3Double(t)
  double.conditional = false
  const store = storeIn(double)
  await store.write('manifests/00000001.json', Buffer.from('first'))
  t.equal(await store.write('manifests/00000001.json', Buffer.from('second')), 'written')
  t.equal(String(await store.read('manifests/00000001.json')), 'second')
})

t.test('what the store refuses is an error, and never an absence', async (t) => {
  const double = await startS3Double(t)
  const wrong = createS3BackupStore({ bucket: 'another-bucket', prefix: '', endpoint: double.endpoint })
  await t.rejects(wrong.list(''), { name: 'NoSuchBucket' })
  await t.rejects(wrong.read('object'))
  await t.rejects(wrong.write('object', Buffer.from('x')))
})
