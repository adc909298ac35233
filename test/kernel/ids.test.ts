import t from 'tap'
import { isUuid, systemRandomness, uuidV5 } from '../../services/kernel/ids.ts'

t.test('version 5 ids agree with the published example', async (t) => {
  t.equal(uuidV5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'python.org'), '886313e1-3b8a-5372-9b90-0c9aee199e5d')
  t.equal(uuidV5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com'), '2ed6657d-e927-568b-95e1-2665a8aea6a2')
})

t.test('only the canonical lower-case form is a UUID', async (t) => {
  t.ok(isUuid(systemRandomness.uuid()))
  for (const text of [
    '',
    'x',
    '886313E1-3B8A-5372-9B90-0C9AEE199E5D',
    '886313e13b8a53729b900c9aee199e5d',
    ' 886313e1-3b8a-5372-9b90-0c9aee199e5d',
  ]) {
    t.notOk(isUuid(text))
  }
})
