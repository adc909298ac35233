/** The whole way: decisions, sealing, witnesses in processes of their own, and receipts that somebody checks with the policy alone. */
import { cpSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { parseCheckpoint } from '../../services/audit/log/checkpoint.ts'
import { verifyCosignature } from '../../services/audit/log/cosignature.ts'
import { parseNote } from '../../services/audit/log/note.ts'
import { isSatisfied, parseWitnessPolicy } from '../../services/audit/log/witness-policy.ts'
import { createLogger } from '../../services/kernel/logging.ts'
import { caught } from '../support/caught.ts'
import { type Clients, clientsOf, hire, readRecord, registerTestClinic } from '../support/clinic.ts'
import { commandLine } from '../support/command-line.ts'
import { createTestDatabase } from '../support/postgres.ts'
import type { TestDatabase } from '../support/postgres-server.ts'
import { query } from '../support/query.ts'
import { answer, scriptedWitness } from '../support/scripted-witness.ts'
import { scratchDirectory, startTestService, type TestService, type TestServiceOptions } from '../support/service.ts'
import { checkReceipt } from '../support/tlog-client.ts'
import { waitFor } from '../support/wait-for.ts'
import { startWitnessProcess, type WitnessProcess } from '../support/witness-process.ts'
import { witnessedLog } from '../support/witnessed-log.ts'

t.setTimeout(300_000)

const environment = { CHARTWARDEN_PUBLISH_INTERVAL_MS: '100', CHARTWARDEN_WITNESS_INTERVAL_MS: '1000' }

interface Clinic {
  readonly service: TestService
  readonly own: Clients
}

const startClinic = async (test: Test, options: TestServiceOptions): Promise<Clinic> => {
  const service = await startTestService(test, { ...options, environment: { ...environment, ...options.environment } })
  return { service, own: clientsOf(service, await service.token({ clinics: ['north'] })) }
}

const checksOf = async ({ httpPort }: TestService): Promise<Readonly<Record<string, unknown>>> =>
  ((await (await fetch(`http://127.0.0.1:${httpPort}/readyz`)).json()) as { readonly checks: Record<string, unknown> }).checks

/** A clinic with somebody hired in it, and the key of its log; the service is stopped again. */
const foundClinic = async (test: Test, database: TestDatabase, stateDir: string): Promise<string> => {
  const { service, own } = await startClinic(test, { database, stateDir })
  await registerTestClinic(own, 'north')
  await hire(own, 'north', 'anna')
  const { verifierKeys } = await own.audit.awaitReceipt({ clinic: 'north', key: { case: 'revision', value: 0n } })
  await service.stop()
  return verifierKeys[0] as string
}

const startWitnesses = (test: Test, vkey: string, ...names: readonly string[]): Promise<WitnessProcess[]> =>
  Promise.all(
    names.map((name) => startWitnessProcess(test, '--state-dir', scratchDirectory(test, 'witness'), '--name', name, '--log', vkey)),
  )

const policyFile = (stateDir: string, lines: readonly string[]): string => {
  const file = path.join(stateDir, 'witnesses.policy')
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}

/** Names of the policy whose cosignatures a receipt carries: what a stranger finds, who has the policy and nothing else of ours. */
const cosignersOf = (receipt: string, policyText: string): { readonly names: readonly string[]; readonly enough: boolean } => {
  const policy = parseWitnessPolicy(policyText)
  if ('problem' in policy) throw new Error(policy.problem)
  const note = parseNote(receipt.slice(receipt.indexOf('\n\n') + 2))
  const names = policy.witnesses
    .filter(({ key }) => note?.signatures.some((signature) => verifyCosignature(note.text, signature, key)))
    .map(({ name }) => name)
  return { names, enough: isSatisfied(policy, names) }
}

t.test('two of three witnesses cosign while one is gone; the receipt says so to anybody who has the policy', async (t) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'witnessed')
  const vkey = await foundClinic(t, database, stateDir)
  const [one, two] = (await startWitnesses(t, vkey, 'one.example', 'two.example')) as [WitnessProcess, WitnessProcess]
  const gone = await scriptedWitness(t, answer(503), 'gone.example')
  await gone.close()
  const lines = [
    one.policy[0],
    two.policy[0],
    (await startWitnesses(t, vkey, 'three.example'))[0]?.policy[0]?.replace(/ \S+$/, ` ${gone.url}`),
  ]
  const policy = [...lines, 'group two-of-three 2 one.example two.example three.example', 'quorum two-of-three'] as readonly string[]
  const { service, own } = await startClinic(t, {
    database,
    stateDir,
    environment: { CHARTWARDEN_WITNESS_POLICY: policyFile(stateDir, policy) },
  })

  const { entry, decision } = await own.access.check(readRecord('north', 'anna'))
  t.equal(decision, 1, 'permitted')
  const key = { case: 'id', value: entry?.id as string } as const
  const { receipt } = await own.audit.awaitReceipt({ clinic: 'north', key, witnessed: true })
  const { entry: shown } = await own.audit.getEntry({ clinic: 'north', key })
  t.ok(checkReceipt(receipt, shown?.canonical as Uint8Array, vkey))
  t.same(cosignersOf(receipt, `${policy.join('\n')}\n`), { names: ['one.example', 'two.example'], enough: true })
  const strict = `${lines.join('\n')}\ngroup all-of-them all one.example two.example three.example\nquorum all-of-them\n`
  t.equal(cosignersOf(receipt, strict).enough, false, 'twin: a policy that asks for all three is not satisfied by it')

  const { witnessed } = await own.audit.getCheckpoint({ clinic: 'north' })
  t.same([witnessed?.witnesses, witnessed?.quorum], [['one.example', 'two.example'], true])
  const checks = await checksOf(service)
  t.equal(checks.checkpointsSeenOutside, 'witnessed')
  t.equal(checks.witnesses, '2 of 3 answer')

  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  const receiptOf = (id: string, ...argv: readonly string[]) =>
    chartwarden('ledger', 'receipt', '--clinic', 'north', '--entry', id, '--witnessed', ...argv)
  t.match((await receiptOf(key.value)).err, /\nCosigned by one\.example, two\.example\.\nVerifier key: /)

  // With all of them gone, nothing waits but who asks for their word.
  await Promise.all([one.stop('SIGKILL'), two.stop('SIGKILL')])
  const before = (await own.audit.getCheckpoint({ clinic: 'north' })).checkpoint?.size ?? 0n
  const later = await own.access.check(readRecord('north', 'anna'))
  t.equal(later.decision, 1)
  const laterKey = { case: 'id', value: later.entry?.id as string } as const
  const published = await own.audit.awaitReceipt({ clinic: 'north', key: laterKey })
  t.ok(published.treeSize > before)
  t.equal(cosignersOf(published.receipt, `${policy.join('\n')}\n`).enough, false)
  const vain = await receiptOf(laterKey.value, '--timeout', '2')
  t.equal(vain.code, 5)
  t.match(vain.err, /The entry is not cosigned yet as the policy asks\. Wait longer with --timeout/)
  await waitFor('readiness to say so', async () => (await checksOf(service)).witnesses === '0 of 3 answer')
  const kept = await own.audit.getCheckpoint({ clinic: 'north' })
  t.equal(kept.witnessed?.quorum, true, 'what was witnessed before is still served')
  t.ok((kept.checkpoint?.size ?? 0n) > (kept.witnessed?.size ?? 0n))
})

t.test('a witness that was not given the key of a log is named', async (t) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'refused')
  await foundClinic(t, database, stateDir)
  const [other] = (await startWitnesses(t, witnessedLog().vkey, 'other.example')) as [WitnessProcess]
  const { service } = await startClinic(t, {
    database,
    stateDir,
    environment: { CHARTWARDEN_WITNESS_POLICY: policyFile(stateDir, other.policy) },
  })
  await waitFor('readiness to say so', async () => (await checksOf(service)).witnesses === '1 of 1 answer; other.example refuses 1')
})

/** A copy of a database that nobody uses at the moment. */
const copyOf = async (database: TestDatabase): Promise<TestDatabase> => {
  const name = `${database.name}_copy`
  await query(database.adminUrl.replace(`/${database.name}`, '/postgres'), `create database "${name}" template "${database.name}"`)
  const moved = (url: string): string => url.replace(`/${database.name}`, `/${name}`)
  const urls = { adminUrl: moved(database.adminUrl), migrateUrl: moved(database.migrateUrl), writerUrl: moved(database.writerUrl) }
  return { name, ...urls, feedUrl: moved(database.feedUrl), queryUrl: moved(database.queryUrl), close: async () => {} }
}

t.test(
  'a ledger and its signer store, both put back together, are found out by the witness alone, loudly, before anything is signed',
  async (t) => {
    const database = await createTestDatabase(t)
    const stateDir = scratchDirectory(t, 'rolled-back')
    const vkey = await foundClinic(t, database, stateDir)
    const older = await copyOf(database)
    const olderState = path.join(scratchDirectory(t, 'older'), 'state')
    cpSync(stateDir, olderState, { recursive: true })
    const [witness] = (await startWitnesses(t, vkey, 'accountant.example')) as [WitnessProcess]
    const CHARTWARDEN_WITNESS_POLICY = policyFile(stateDir, witness.policy)

    const now = await startClinic(t, { database, stateDir, environment: { CHARTWARDEN_WITNESS_POLICY } })
    const { entry } = await now.own.access.check(readRecord('north', 'anna'))
    const key = { case: 'id', value: entry?.id as string } as const
    const { receipt } = await now.own.audit.awaitReceipt({ clinic: 'north', key, witnessed: true })
    t.equal((await checksOf(now.service)).witnesses, '1 of 1 answer', 'twin: nothing is disputed while the ledger only grows')
    await now.service.stop()

    const told: Record<string, unknown>[] = []
    const logger = createLogger({ level: 'error', destination: { write: (line) => void told.push(JSON.parse(line)) } })
    const back = await startClinic(t, { database: older, stateDir: olderState, environment: { CHARTWARDEN_WITNESS_POLICY }, logger })
    await waitFor('the dispute', async () => /^disputed by accountant\.example: /.test(String((await checksOf(back.service)).witnesses)))
    t.equal((await checksOf(back.service)).log, 'halted: 1', 'neither database nor signer store has noticed anything')
    t.match(
      told.find(({ event }) => event === 'log.halted'),
      { clinic: 'north', cause: 'store_behind', msg: /^The witness accountant\.example has cosigned \d+ entries of / },
    )
    const [line] = told.filter(({ event }) => event === 'witness.ahead')
    t.match(line, { witness: 'accountant.example', clinic: 'north', level: 'error' })
    const witnessed = parseCheckpoint(parseNote(receipt.slice(receipt.indexOf('\n\n') + 2))?.text ?? '')
    t.equal(line?.witnessed, String(witnessed?.size))
    t.equal((await back.own.access.check(readRecord('north', 'anna'))).decision, 1, 'decisions go on')
    const refused = await caught(
      back.own.audit.awaitReceipt({ clinic: 'north', key: { case: 'revision', value: 0n }, witnessed: true }, { timeoutMs: 2_500 }),
    )
    t.ok(refused, 'and no receipt of the forged history bears the word of a witness')
  },
)
