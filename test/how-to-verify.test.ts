/** Somebody follows the guide to checking a ledger, and checks a receipt without us. */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { type Chartwarden, commandLine } from './support/command-line.ts'
import { followPage } from './support/follow-page.ts'
import { createTestDatabase } from './support/postgres.ts'
import { startTestService } from './support/service.ts'

const page = path.resolve(import.meta.dirname, '../docs/how-to/verify.md')

t.test('somebody follows the guide', async (t) => {
  const service = await startTestService(t, {
    database: await createTestDatabase(t),
    environment: { CHARTWARDEN_PUBLISH_INTERVAL_MS: '100' },
  })
  const run = commandLine({
    CHARTWARDEN_STATE_DIR: service.stateDir,
    CHARTWARDEN_GRPC_ADDR: service.address,
    CHARTWARDEN_HTTP_ADDR: `127.0.0.1:${service.httpPort}`,
  })
  const kept = (name: string): string => path.join(t.testdirName, name)
  const chartwarden: Chartwarden = (...argv) => run(...argv.map((word) => (word.startsWith('@') ? `@${kept(word.slice(1))}` : word)))
  const said = await followPage(t, page, { chartwarden })
  t.match(said.at(-1)?.out, /^northside: verified\.$/m)

  if (['python3', 'openssl'].some((program) => spawnSync(program, ['--help']).error !== undefined)) {
    t.fail('python3 and openssl are not on this machine: the check without us was not run', { skip: 'python3 or openssl is missing' })
    return
  }
  const check = (...names: readonly string[]) => spawnSync('python3', [kept('check_receipt.py'), ...names.map(kept)], { encoding: 'utf8' })
  const checked = check('kept.tlog-proof', 'entry.json', 'northside.keys')
  t.equal(checked.status, 0, checked.stderr)
  t.match(checked.stdout, /^revision 0 of chartwarden\.localhost\/v1\/clinics\/northside\/log is proven, in the tree of \d+ entries$/m)

  const { canonical } = JSON.parse(readFileSync(kept('entry.json'), 'utf8')) as { readonly canonical: string }
  writeFileSync(kept('exact.json'), canonical)
  t.match(check('kept.tlog-proof', 'exact.json', 'northside.keys').stdout, /^revision 0 of .* is proven/, 'the exact bytes, as in a bundle')

  const twin = (name: string, from: string, change: (text: string) => string): string => {
    writeFileSync(kept(name), change(readFileSync(kept(from), 'utf8')))
    return name
  }
  const edited = twin('edited.json', 'entry.json', (text) => text.replace('northside', 'westside'))
  t.match(check('kept.tlog-proof', edited, 'northside.keys').stderr, 'the receipt is not of this entry', 'twin: another entry')
  const forged = twin('forged.tlog-proof', 'kept.tlog-proof', (text) => text.replace(/\n(?=\n\u2014 )/, '\nadded\n'))
  t.match(check(forged, 'entry.json', 'northside.keys').stderr, 'no key of the log has signed the checkpoint', 'twin: another checkpoint')
})
