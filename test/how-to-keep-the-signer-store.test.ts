/** The commands of the guide to the signer store, over a directory that a signer has used. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { formatCheckpoint } from '../services/audit/log/checkpoint.ts'
import { createDirectorySignerStore } from '../services/audit/log/directory-signer-store.ts'
import { formatNote, formatVerifierKey, signNote, verifierKeyOf } from '../services/audit/log/note.ts'
import { logOrigin } from '../services/audit/log/origin.ts'
import { createSignerFiles } from '../services/audit/log/signer/signer-files.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { commandLine } from './support/command-line.ts'
import { documentedCommands } from './support/documented-commands.ts'
import { headOf } from './support/signed-heads.ts'

const page = path.resolve(import.meta.dirname, '../docs/how-to/keep-the-signer-store.md')
const base = 'log.example'
const north = logOrigin(base, 'northside', 1)
const south = logOrigin(base, 'southside', 1)
const { privateKey } = generateKeyPairSync('ed25519')
const vkey = (origin: string, key = privateKey): string => formatVerifierKey(verifierKeyOf(origin, key))

const checkpointOf = (origin: string, size: bigint, by = privateKey, name = origin): string => {
  const text = formatCheckpoint({
    ...headOf(origin, size, 'signed'),
    root: Buffer.from(headOf(origin, size, 'signed').root),
    extensions: [],
  })
  return formatNote(text, [signNote(text, name, by)])
}

const aStore = async (test: Test) => {
  const directory = test.testdir()
  const signerDir = path.join(directory, 'signer')
  const open = (installation: string) => createDirectorySignerStore({ files: createSignerFiles(signerDir, systemRandomness), installation })
  const session = await open('here').claim()
  await session.advance([{ from: undefined, to: headOf(north, 3n, 'signed') }])
  await session.close()
  const file = (name: string, text: string): string => {
    writeFileSync(path.join(directory, name), text)
    return path.join(directory, name)
  }
  const run = commandLine({
    CHARTWARDEN_MODE: 'production',
    CHARTWARDEN_SIGNER_DIR: signerDir,
    CHARTWARDEN_LOG_ORIGIN: base,
    CHARTWARDEN_JWKS: '/unused',
  })
  return { open, run, file }
}

t.test('somebody follows the guide', async (t) => {
  const { open, run, file } = await aStore(t)
  const files = new Map([
    ['southside.checkpoint', file('southside.checkpoint', checkpointOf(south, 5n))],
    ['@southside.vkey', `@${file('southside.vkey', `${vkey(south)}\n`)}`],
  ])
  const said: string[] = []
  for (const { command, exits } of documentedCommands(page)) {
    const words = command.split(' ').slice(2)
    const { code, out, err } = await run(...words.map((word) => files.get(word) ?? word))
    t.equal(code, exits, `${command} ${err}`)
    said.push(out)
  }
  t.match(said, [
    new RegExp(`^LOG +SIGNED +ROOT +RETIRED\n${north} +3 +\\S{43}= +-`),
    `${north} is retired at 3 entries`,
    `${south} goes on from 5 entries.`,
    /is free; the next service/,
  ])
  const session = await open('there').claim()
  t.teardown(() => session.close())
  t.match(session.record(north), { size: 3n, retired: { cause: 'restored_backup' } })
  t.match(session.record(south), { size: 5n })
  t.same(await session.advance([{ from: headOf(south, 5n, 'signed'), to: headOf(south, 6n, 'signed') }]), { kind: 'recorded' })
})

t.test('what cannot be meant is refused, and changes nothing', async (t) => {
  const { open, run, file } = await aStore(t)
  const adopt = (checkpoint: string, keys = [vkey(north)]) =>
    run('log', 'adopt', '--clinic', 'northside', '--checkpoint', checkpoint, ...keys.flatMap((key) => ['--key', key]))
  const { privateKey: forger } = generateKeyPairSync('ed25519')
  const [text = ''] = checkpointOf(north, 9n).split('\n\n')
  const forgedUnderOurKey = checkpointOf(north, 4n).replace('\n4\n', '\n9\n')
  const cases: readonly (readonly [Promise<{ readonly code: number; readonly err: string }>, RegExp])[] = [
    [adopt(file('small', checkpointOf(north, 2n))), /knows of 3 entries under .* nothing recorded is taken back/],
    [adopt(file('other', checkpointOf(south, 9n)), [vkey(south)]), /is no log of clinic northside here/],
    [adopt(file('unsigned', text)), /is no signed checkpoint/],
    [adopt(file('stranger', checkpointOf(north, 9n, forger))), /is signed by none of the keys given with --key/],
    [adopt(file('forged', forgedUnderOurKey)), /names the key of \S+northside\/log, which has not signed it/],
    [adopt(file('namesake', checkpointOf(north, 9n, privateKey, south)), [vkey(south)]), /signed by the key of another/],
    [adopt(file('no key', checkpointOf(north, 9n)), []), /required option '--key <vkey>' not specified/],
    [adopt(file('no vkey', checkpointOf(north, 9n)), ['key']), /"key" is not a verifier key/],
    [adopt(file('larger', checkpointOf(north, 9n))), /its tiles are needed: CHARTWARDEN_FEED_DATABASE_URL or DATABASE_URL is required/],
    [adopt('/nowhere'), /The file \/nowhere cannot be read/],
    [run('log', 'retire', '--clinic', 'southside', '--cause', 'other'), /holds no log of clinic southside that still signs/],
    [
      run('log', 'retire', '--clinic', 'northside', '--cause', 'boredom'),
      /Allowed choices are restored_backup, lost_failover, damaged, other/,
    ],
  ]
  for (const [ran, told] of cases) t.match(await ran, { code: 2, err: told })
  const known = file('known', checkpointOf(north, 3n))
  t.match(await adopt(known), { code: 0, out: /knows this checkpoint already/ })
  t.match(await run('log', 'retire', '--clinic', 'northside', '--cause', 'damaged', '--json'), { code: 0, out: /"outcome":"retired"/ })
  t.match(await adopt(file('later', checkpointOf(north, 9n))), { code: 2, err: /was retired/ })
  t.match(await run('log', 'retire', '--clinic', 'northside', '--cause', 'damaged'), {
    code: 2,
    err: /no log of clinic northside that still signs/,
  })
  t.match(await run('log', 'status', '--json'), {
    code: 0,
    out: /"installation":"here","logs":\[\{"origin":"log\.example[^}]*"retired":"damaged"\}\]/,
  })
  t.match(await open('here').read(), [{ origin: north, size: 3n }])
})

t.test('without a store there is nothing to look after, and an empty one says so', async (t) => {
  t.match(await commandLine({ CHARTWARDEN_SIGNER_DIR: 'off' })('log', 'status'), {
    code: 2,
    err: /CHARTWARDEN_SIGNER_DIR names no directory, so nothing is signed here/,
  })
  const signerDir = path.join(t.testdir(), 'empty')
  const run = commandLine({ CHARTWARDEN_SIGNER_DIR: signerDir })
  t.match(await run('log', 'status'), { code: 2, err: /cannot be used: ENOENT/ })
  mkdirSync(signerDir)
  t.match(await run('log', 'status'), { code: 0, out: /Nothing was signed yet/ })
})
