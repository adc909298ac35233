/** A database is opened with the master key its keys are wrapped under, or not at all. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { masterKeyFile, masterKeySource } from '../../../services/audit/vault/master-key-source.ts'
import { createMemoryKeyStore } from '../../../services/audit/vault/memory-key-store.ts'
import { openVault } from '../../../services/audit/vault/open-vault.ts'
import { systemClock } from '../../../services/kernel/clock.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { StartError } from '../../../services/kernel/start-error.ts'

const parts = { clock: systemClock, randomness: systemRandomness }
const madeIn = (stateDir: string) => masterKeySource(undefined, stateDir, systemRandomness)

t.test('the first start makes a key that later starts and replicas use', async (t) => {
  const stateDir = t.testdir()
  const keyStore = createMemoryKeyStore()
  const options = { source: madeIn(stateDir), keyStore, ...parts }
  const [first, second] = await Promise.all([openVault(options), openVault(options)])
  t.same(first.masterKey, second.masterKey)
  t.equal(statSync(path.join(stateDir, 'master.key')).mode & 0o777, 0o600)
  t.same((await openVault(options)).masterKey, first.masterKey)
})

t.test('a lost key is not replaced by a new one', async (t) => {
  const stateDir = t.testdir()
  const file = path.join(stateDir, 'master.key')
  const options = { source: madeIn(stateDir), keyStore: createMemoryKeyStore(), ...parts }
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
  await openVault({ source: masterKeyFile(file), keyStore, ...parts })
  const wrong = randomBytes(32).toString('hex')
  for (const content of [wrong, 'c2hvcnQ=', '']) {
    writeFileSync(file, content)
    const error = await openVault({ source: masterKeyFile(file), keyStore, ...parts }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    if (!(error instanceof StartError)) throw new Error('it was opened')
    t.ok(error.message.includes(file))
    t.notOk(content !== '' && error.message.includes(content))
  }
  await t.rejects(openVault({ source: masterKeyFile(path.join(stateDir, 'nowhere')), keyStore, ...parts }), StartError)
})

t.test('a key handed over in the environment opens what the same key in a file has wrapped', async (t) => {
  const stateDir = t.testdir()
  const keyStore = createMemoryKeyStore()
  const { masterKey } = await openVault({ source: madeIn(stateDir), keyStore, ...parts })
  const given = (key: Buffer) => masterKeySource({ kind: 'key', key }, stateDir, systemRandomness)
  t.same((await openVault({ source: given(masterKey), keyStore, ...parts })).masterKey, masterKey)
  await t.rejects(openVault({ source: given(randomBytes(32)), keyStore, ...parts }), {
    name: 'StartError',
    message: /^CHARTWARDEN_MASTER_KEY is not the master key/,
  })
})
