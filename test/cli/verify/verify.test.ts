/** `chartwarden verify` on a real service and its real database, untouched and damaged. */
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { formatCheckpoint } from '../../../services/audit/log/checkpoint.ts'
import { formatNote, formatVerifierKey, signNote, verifierKeyOf } from '../../../services/audit/log/note.ts'
import { clientsOf, hire, registerTestClinic, staff } from '../../support/clinic.ts'
import { commandLine } from '../../support/command-line.ts'
import { logKeyOf, originOf } from '../../support/kept-ledger.ts'
import { createTestDatabase } from '../../support/postgres.ts'
import { query } from '../../support/query.ts'
import { startTestService, testEnvironment } from '../../support/service.ts'
import { waitFor } from '../../support/wait-for.ts'

const unguarded = (
  statement: string,
): string => `set session_replication_role = replica; alter table chartwarden_ledger.entries disable trigger all;
  do $$ declare part text; begin
    for part in select inhrelid::regclass::text from pg_inherits where inhparent = 'chartwarden_ledger.entries'::regclass loop
      execute format('alter table %s disable trigger all', part);
    end loop;
  end $$; ${statement}`

const set = async (t: Test) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database, environment: { CHARTWARDEN_PUBLISH_INTERVAL_MS: '100' } })
  const clients = clientsOf(service, await service.token({ clinics: ['north', 'south'] }))
  for (const clinic of ['north', 'south']) await registerTestClinic(clients, clinic)
  await hire(clients, 'north', 'anna')
  const accesses = Array.from({ length: 300 }, (_, count) => ({
    requestId: randomUUID(),
    clinic: 'north',
    subject: staff('anna'),
    action: { name: 'read' },
    resource: { type: 'imaging', id: `i-${count}`, patientId: `p-${count % 7}` },
    purpose: 'TREAT',
  }))
  const { results } = await clients.audit.recordAccessBatch({ clinic: 'north', accesses })
  const last = results.at(-1)?.outcome
  const id = last?.case === 'response' ? (last.value.entry?.id as string) : ''
  const answer = await clients.audit.awaitReceipt({ clinic: 'north', key: { case: 'id', value: id } })
  const revision = answer.entry?.revision as bigint
  const { entry } = await clients.audit.getEntry({ clinic: 'north', key: { case: 'id', value: id } })
  const directory = t.testdir()
  const keep = (name: string, content: string | Uint8Array): string => {
    writeFileSync(path.join(directory, name), content)
    return path.join(directory, name)
  }
  // What is still to be published would be published into what the tests damage.
  await waitFor('all of it to be published', async () => {
    const { checkpoint, sequenced } = await clients.audit.getCheckpoint({ clinic: 'north' })
    return checkpoint?.size === sequenced
  })
  const { checkpoint } = await clients.audit.getCheckpoint({ clinic: 'north' })
  return {
    database,
    clients,
    keep,
    revision,
    files: {
      receipt: keep('kept.tlog-proof', answer.receipt),
      entry: keep('entry.json', entry?.canonical as Uint8Array),
      checkpoint: keep('kept.checkpoint', checkpoint?.note as string),
    },
    key: answer.verifierKeys[0] as string,
    online: commandLine({
      CHARTWARDEN_STATE_DIR: service.stateDir,
      CHARTWARDEN_GRPC_ADDR: service.address,
      CHARTWARDEN_HTTP_ADDR: `127.0.0.1:${service.httpPort}`,
    }),
    // As its superuser, who sees and may do everything.
    offline: commandLine({ DATABASE_URL: database.adminUrl }),
    asFeed: commandLine({ ...testEnvironment(database, service.stateDir), DATABASE_URL: database.writerUrl }),
    edit: (statement: string) => query(database.adminUrl, unguarded(statement)),
  }
}

t.test('a ledger that nobody has touched', async (t) => {
  const { online, offline, asFeed, files, key, revision, clients, edit } = await set(t)
  await t.test('is verified through the service, with what was kept of it', async (t) => {
    const ran = await online(
      'verify',
      '--clinic',
      'north',
      '--trusted-checkpoint',
      files.checkpoint,
      '--receipt',
      files.receipt,
      '--key',
      key,
    )
    t.equal(ran.code, 0, ran.err)
    t.match(ran.out, /^north: verified\.$/m)
    t.match(ran.out, `the entry of revision ${revision} is proven to be`)
    t.match(ran.out, 'signed with a key that you trust')
    t.notMatch(ran.out, 'learnt from what was checked')
  })
  await t.test('is verified with nothing from outside, and what that cannot exclude is said', async (t) => {
    const ran = await online('verify', '--clinic', 'north', '--json')
    t.equal(ran.code, 0, ran.err)
    const { ledgers } = JSON.parse(ran.out) as { ledgers: [{ outcome: string; notExcluded: { code: string }[] }] }
    t.equal(ledgers[0].outcome, 'verified')
    t.match(
      ledgers[0].notExcluded.map(({ code }) => code),
      ['true_when_recorded', 'rewritten_with_keys', 'key_learnt'],
    )
  })
  await t.test('is verified by the service itself', async (t) => {
    const ran = await online('verify', '--clinic', 'north', '--state', '--projections')
    t.equal(ran.code, 0, ran.err + ran.out)
    t.match(ran.out, /^By the service itself: .*read models compared with the ledger, recorded as entry /m)
  })
  for (const [name, run] of [
    ['as a superuser', offline],
    ['as the logins of the service', asFeed],
  ] as const) {
    await t.test(`is verified in the database, with every other ledger of it, ${name}`, async (t) => {
      await clients.audit.awaitReceipt({ clinic: 'south', key: { case: 'revision', value: 0n } })
      const ran = await run('verify', '--database', '--trusted-checkpoint', files.checkpoint, '--receipt', files.receipt)
      t.equal(ran.code, 0, ran.err + ran.out)
      t.match(ran.out, /^north: verified\.$/m)
      t.match(ran.out, /^south: verified\.$/m)
    })
  }
  await t.test('a receipt alone proves its entry, and another entry is not it', async (t) => {
    const ran = await online('verify', files.receipt, '--entry', files.entry, '--key', key)
    t.equal(ran.code, 0, ran.err + ran.out)
    t.match(ran.out, `Read: 1 entry (revision ${revision}), from `)
    const other = await online('verify', files.receipt, '--entry', files.checkpoint, '--key', key)
    t.equal(other.code, 10)
    t.match(other.out, 'entry_changed')
    t.equal((await online('verify', files.receipt, '--entry', files.entry)).code, 11, 'without a key nobody vouches for it')
    t.equal((await online('verify', files.receipt, '--key', key)).code, 11, 'without its entry it says nothing')
  })
  await t.test('what is given in the wrong place is told where it belongs', async (t) => {
    const refused = async (...words: string[]): Promise<string> => {
      const ran = await online('verify', ...words)
      t.equal(ran.code, 2, ran.out)
      return ran.err
    }
    t.match(await refused(files.checkpoint), 'give it with --trusted-checkpoint')
    t.match(await refused(path.dirname(files.checkpoint)), /is a folder: .*\.zip/)
    t.match(await refused('--clinic', 'north', '--key', files.entry), `Did you mean @${files.entry}?`)
    t.notMatch(await refused('--clinic', 'north', '--key', 'no-such-file'), 'Did you mean', 'twin')
  })
  await t.test('is verified while its log is halted, and that is said', async (t) => {
    t.notMatch((await online('verify', '--clinic', 'north')).out, 'HALTED', 'twin: as long as it is not')
    await edit("update chartwarden_log.logs set halted = 'store_behind' where clinic = 'north'")
    const ran = await online('verify', '--clinic', 'north')
    t.equal(ran.code, 0, ran.err + ran.out)
    t.match(ran.out, /^ {2}The log is HALTED \(store_behind\): nothing more is signed\./m)
  })
})

t.test('an entry that a superuser has edited', async (t) => {
  const { online, offline, files, key, edit } = await set(t)
  await edit(
    "update chartwarden_ledger.entries set bytes = set_byte(bytes, 40, (get_byte(bytes, 40) + 1) % 128) where clinic = 'north' and revision = 17",
  )
  for (const [name, run] of [
    ['through the service', () => online('verify', '--clinic', 'north')],
    ['in the database', () => offline('verify', '--database', '--clinic', 'north')],
    [
      'with what was kept',
      () => offline('verify', '--database', '--clinic', 'north', '--trusted-checkpoint', files.checkpoint, '--key', key),
    ],
  ] as const) {
    const ran = await run()
    t.equal(ran.code, 10, `${name}: ${ran.err}${ran.out}`)
    t.match(ran.out, /entry_changed: north, revision 17, 20\d\d-/, name)
    t.match(ran.out, /DAMAGED: 1 fault\./, name)
    t.notMatch(ran.out, 'nothing that was given or found tells', name)
  }
  const json = JSON.parse((await offline('verify', '--database', '--clinic', 'north', '--json')).out)
  t.match(json.ledgers[0].faults, [{ kind: 'entry_changed', clinic: 'north', revision: '17', lastRevision: '17', time: /^20/ }])
})

t.test('a ledger whose tail a superuser has cut off with its whole log, as an older copy would', async (t) => {
  const { offline, files, edit, revision } = await set(t)
  await edit(`alter table chartwarden_log.strips disable trigger all; alter table chartwarden_log.checkpoints disable trigger all;
    alter table chartwarden_log.logs disable trigger all; alter table chartwarden_ledger.heads disable trigger all;
    delete from chartwarden_ledger.entries where clinic = 'north' and revision >= 200;
    update chartwarden_ledger.heads set revision = 199, state_revision = least(state_revision, 199) where clinic = 'north';
    delete from chartwarden_log.checkpoints where clinic = 'north';
    update chartwarden_log.strips set hashes = substr(hashes, 1, 8 * 32) where clinic = 'north' and level = 0 and strip = 6;
    delete from chartwarden_log.strips where clinic = 'north' and (level > 0 or strip > 6);
    update chartwarden_log.logs set size = 200 where clinic = 'north'`)
  const twin = await offline('verify', '--database', '--clinic', 'north')
  t.equal(twin.code, 11, 'twin: with nothing from outside it does not show, and nothing says that it is not so')
  t.match(twin.out, 'Nothing from outside was given to compare with')
  for (const anchor of [['--trusted-checkpoint', files.checkpoint] as const, ['--receipt', files.receipt] as const]) {
    const ran = await offline('verify', '--database', '--clinic', 'north', ...anchor)
    t.equal(ran.code, 10, ran.err + ran.out)
    t.match(ran.out, /ledger_rolled_back: north, revisions 200 to \d+/)
  }
  t.ok(revision > 200n)
})

t.test('what cannot be compared is refused, and changes nothing', async (t) => {
  const { online, offline, files, keep, key } = await set(t)
  const stranger = logKeyOf('stranger')
  const text = formatCheckpoint({ origin: originOf('south'), size: 0n, root: Buffer.alloc(32), extensions: [] })
  const ofSouth = formatCheckpoint({ origin: originOf('south'), size: 5n, root: Buffer.alloc(32), extensions: [] })
  const huge = keep('huge', Buffer.alloc(1_000_001, 'a'))
  const bad: readonly (readonly [string, readonly string[]])[] = [
    ['a file that is no checkpoint', ['--clinic', 'north', '--trusted-checkpoint', keep('garbage', 'garbage')]],
    ['one that is not UTF-8', ['--clinic', 'north', '--trusted-checkpoint', keep('binary', Buffer.of(0xff, 0xfe))]],
    ['one that is huge', ['--clinic', 'north', '--trusted-checkpoint', huge]],
    ['one that is not there', ['--clinic', 'north', '--trusted-checkpoint', path.join(huge, 'none')]],
    [
      'an empty log with another root',
      ['--clinic', 'south', '--trusted-checkpoint', keep('empty', formatNote(text, [signNote(text, originOf('south'), stranger)]))],
    ],
    [
      'a checkpoint of another clinic',
      ['--clinic', 'north', '--trusted-checkpoint', keep('south', formatNote(ofSouth, [signNote(ofSouth, originOf('south'), stranger)]))],
    ],
    ['a receipt of another clinic', ['--clinic', 'south', '--receipt', files.receipt]],
    ['a receipt that is cut', ['--clinic', 'north', '--receipt', keep('cut', 'c2sp.org/tlog-proof@v1\nindex 3\n')]],
    ['a key that is none', ['--clinic', 'north', '--key', 'nonsense']],
    ['a key of another clinic', ['--clinic', 'north', '--key', formatVerifierKey(verifierKeyOf(originOf('south'), stranger))]],
    ['a policy that is none', ['--clinic', 'north', '--policy', keep('policy', 'nonsense\n')]],
    ['a file that is neither bundle nor receipt', [keep('other', 'something')]],
    ['a bundle that is cut', [keep('cut.zip', Buffer.from('PK\x03\x04', 'latin1'))]],
    ['nothing', []],
    ['a file and a clinic', [files.receipt, '--clinic', 'north']],
    ['the state in a database', ['--database', '--state']],
    ['an entry without a receipt', ['--clinic', 'north', '--entry', files.entry]],
  ]
  for (const [name, argv] of bad) {
    const ran = await online('verify', ...argv)
    t.equal(ran.code, 2, `${name}: ${ran.out}${ran.err}`)
    t.equal(ran.out, '', name)
  }
  t.equal((await offline('verify', '--database', '--clinic', 'nowhere')).code, 2, 'a clinic that is not there')
  t.equal((await commandLine({})('verify', '--database')).code, 2, 'no database')
  t.equal((await online('verify', '--clinic', 'north', '--http-address', '127.0.0.1:1')).code, 5, 'no service over HTTP')
  t.equal((await online('verify', '--clinic', 'nowhere')).code, 4, 'a clinic that is not registered')
  t.equal((await online('verify', '--clinic', 'north', '--key', key)).code, 0, 'twin: what can be compared is')
})
