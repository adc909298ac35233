/** A database is opened with the master key its keys are wrapped under, or not at all. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { createMemoryKeyStore } from '../../../services/audit/vault/memory-key-store.ts'
import { openVault } from '../../../services/audit/vault/open-vault.ts'
import { systemClock } from '../../../services/kernel/clock.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { StartError } from '../../../services/kernel/start-error.ts'

const parts = { clock: systemClock, randomness: systemRandomness }

t.test('the first start makes a key that later starts and replicas use', async (t) => {
  const stateDir = t.testdir()
  const keyStore = createMemoryKeyStore()
  const options = { masterKeyFile: undefined, stateDir, keyStore, ...parts }
  const [first, second] = await Promise.all([openVault(options), openVault(options)])
  t.same(first.masterKey, second.masterKey)
  t.equal(statSync(path.join(stateDir, 'master.key')).mode & 0o777, 0o600)
  t.same((await openVault(options)).masterKey, first.masterKey)
})

t.test('a lost key is not replaced by a new one', async (t) => {
  const stateDir = t.testdir()
  const file = path.join(stateDir, 'master.key')
  const options = { masterKeyFile: undefined, stateDir, keyStore: createMemoryKeyStore(), ...parts }
  await openVault(options)
  const key = readFileSync(file)
  rmSync(file)
  await t.rejects(openVault(options), StartError)
  t.notOk(existsSync(file), 'nothing was made in its place')
  writeFileSync(file, key)
  t.ok(await openVault(options))
})

t.test('a wrong, short or missing key file stops the start and is never shown', async (t) => {
  const stateDir = t.testdir()
  const keyStore = createMemoryKeyStore()
  const file = path.join(stateDir, 'key')
  writeFileSync(file, randomBytes(32).toString('base64'))
  await openVault({ masterKeyFile: file, stateDir, keyStore, ...parts })
  const wrong = randomBytes(32).toString('hex')
  for (const content of [wrong, 'c2hvcnQ=', '']) {
    writeFileSync(file, content)
    const error = await openVault({ masterKeyFile: file, stateDir, keyStore, ...parts }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    if (!(error instanceof StartError)) throw new Error('it was opened')
    t.ok(error.message.includes(file))
    t.notOk(content !== '' && error.message.includes(content))
  }
  await t.rejects(openVault({ masterKeyFile: path.join(stateDir, 'nowhere'), stateDir, keyStore, ...parts }), StartError)
})
