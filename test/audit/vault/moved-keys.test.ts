/** What a clinic that moves needs of the key store: the same of the one in Postgres and of its model in memory. */
import t, { type Test } from 'tap'
import type { KeyStore, StoredIdentityKey } from '../../../services/audit/vault/key-store.ts'
import { isRecipient } from '../../../services/audit/vault/key-transfer.ts'
import { createMemoryKeyStore } from '../../../services/audit/vault/memory-key-store.ts'
import { createPostgresKeyStore } from '../../../services/audit/vault/postgres-key-store.ts'
import type { Pseudonym } from '../../../services/audit/vault.ts'
import { openPool } from '../../support/postgres-engine.ts'
import { createVaultDatabase } from '../../support/postgres-vault.ts'

const stores: Readonly<Record<string, (t: Test) => Promise<KeyStore>>> = {
  memory: async () => createMemoryKeyStore(),
  postgres: async (t) => createPostgresKeyStore({ pool: openPool(t, (await createVaultDatabase(t)).writerUrl) }),
}

const key = (name: string) => ({ pseudonym: name as Pseudonym, wrapped: Buffer.from(name), commit: `commit of ${name}` })
const plain = (found: ReadonlyMap<Pseudonym, StoredIdentityKey>) => [...found].map(([name, { kind, commit }]) => [name, kind, commit])

for (const [name, open] of Object.entries(stores)) {
  t.test(`${name}: all keys of one clinic come in order, page by page`, async (t) => {
    const store = await open(t)
    await store.putIdentityKeys('north', ['b', '_', 'Z', 'a', '-', '9'].map(key))
    await store.putIdentityKeys('south', [key('c')])
    const names: string[] = []
    for (
      let page = await store.identityKeysAfter('north', '', 4);
      page.size > 0;
      page = await store.identityKeysAfter('north', names.at(-1) ?? '', 4)
    ) {
      t.ok(page.size <= 4)
      names.push(...page.keys())
    }
    t.same(names, ['-', '9', 'Z', '_', 'a', 'b'], 'by their bytes, and none of another clinic')
  })

  t.test(`${name}: a key that is said to be destroyed is never made, and one that is here is not destroyed by saying so`, async (t) => {
    const store = await open(t)
    const destroyed = ({ pseudonym, commit }: ReturnType<typeof key>) => ({ pseudonym, commit })
    t.same(plain(await store.putDestroyedKeys('north', [destroyed(key('a'))])), [['a', 'destroyed', 'commit of a']])
    t.same(plain(await store.putIdentityKeys('north', [key('a')])), [['a', 'destroyed', 'commit of a']])
    await store.putIdentityKeys('north', [key('b')])
    t.same(plain(await store.putDestroyedKeys('north', [destroyed(key('b'))])), [['b', 'present', 'commit of b']])
    t.same(
      plain(await store.putDestroyedKeys('south', [destroyed(key('b'))])),
      [['b', 'destroyed', 'commit of b']],
      'each clinic has its own',
    )
  })
}

t.test('keys go to age recipients and to nothing else', async (t) => {
  t.ok(isRecipient('age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p'))
  for (const text of [
    '',
    'age1',
    'age1nobody',
    'AGE-SECRET-KEY-1',
    'ssh-ed25519 AAAA',
    'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8q',
  ]) {
    t.notOk(isRecipient(text), text)
  }
})
