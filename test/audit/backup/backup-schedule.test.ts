import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { BackupError } from '../../../services/audit/backup/backup-error.ts'
import { type BackupOutcome, type BackupScheduleOptions, createBackupSchedule } from '../../../services/audit/backup/backup-schedule.ts'
import { type Backups, createBackups } from '../../../services/audit/backup/backups.ts'
import { readRecipients } from '../../../services/audit/backup/recipients.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { ageKeys, installationToBackUp } from '../../support/backups.ts'
import { logLines } from '../../support/log-lines.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { scratchDirectory } from '../../support/service.ts'
import { waitFor } from '../../support/wait-for.ts'

const hour = 3_600_000

const small = await installationToBackUp(t)
await small.clinic('north')

/** An installation and processes that back it up; `time` is the ledger's. */
const installation = async (test: Test) => {
  const own = small.anew()
  const recipientsFile = join(scratchDirectory(test, 'recipients'), 'recipients')
  writeFileSync(recipientsFile, `# the safe\n${own.recipient}\n\n`)
  const { store, key, source } = own.options
  const time = { offset: 0 }
  const now = () => Date.now() + time.offset
  const moved = { ...source, moment: async () => ({ ...(await source.moment()), at: now() }) }
  const backups = createBackups({
    pool: own.feed,
    store,
    key,
    source: moved,
    recipientsFile,
    randomness: systemRandomness,
    fullDays: 7,
    keep: 2,
  })
  const { logger, of } = logLines()
  const clock = manualClock()
  const outcomes: BackupOutcome[] = []
  const begin = (over: Partial<BackupScheduleOptions> = {}) => {
    const onOutcome = (outcome: BackupOutcome): void => void outcomes.push(outcome)
    const schedule = createBackupSchedule({ backups, hours: 24, now, clock, logger, onOutcome, tickMs: 5, ...over })
    test.teardown(() => schedule.stop())
    schedule.start()
    return schedule
  }
  return { ...own, recipientsFile, backups, time, now, of, clock, outcomes, begin }
}

/** Counts looks at what there is, so that a test can wait for rounds in which nothing happens. */
const counting = (backups: Backups) => {
  const looks = { count: 0 }
  const newest: Backups['newest'] = async () => {
    const manifest = await backups.newest()
    looks.count += 1
    return manifest
  }
  return { looks, backups: { ...backups, newest } }
}

t.test('a backup is made, then another once it is due and no earlier, whoever restarts', async (t) => {
  const { begin, backups, outcomes, time, of } = await installation(t)
  const first = begin()
  await waitFor('the first backup', () => outcomes.length === 1)
  await first.stop()
  const { looks, backups: counted } = counting(backups)
  const second = begin({ backups: counted })
  await waitFor('some looks', () => looks.count > 5)
  t.equal((await backups.newest())?.number, 1)
  time.offset += 25 * hour
  await waitFor('the second backup', async () => (await backups.newest())?.number === 2)
  await second.stop()
  t.same(outcomes, ['complete', 'complete'])
  t.match(of('backup.made'), [
    { number: 1, kind: 'full' },
    { number: 2, kind: 'incremental' },
  ])

  await t.test('a full one is due after its days, and what is no longer kept goes', async (t) => {
    const schedule = begin()
    for (const number of [3, 4, 5]) {
      time.offset += 8 * 24 * hour
      await waitFor(`backup ${number}`, async () => (await backups.newest())?.number === number)
    }
    await waitFor('its word', () => of('backup.made').length === 5)
    await schedule.stop()
    t.match(of('backup.made').slice(2), [{ kind: 'full' }, { kind: 'full' }, { kind: 'full', dropped: 1 }])
  })

  await t.test('twin: a schedule that does not look at what there is would repeat it', async () => {
    const blind = begin({
      backups: { ...backups, newest: async () => undefined, make: ({ signal } = {}) => backups.make(signal && { signal }) },
    })
    await waitFor('another one', async () => ((await backups.newest())?.number ?? 0) > 6)
    await blind.stop()
  })
})

t.test('of several processes one makes it', async (t) => {
  const { begin, outcomes, backups } = await installation(t)
  const schedules = Array.from({ length: 3 }, () => begin())
  await waitFor('all of them to know of it', () => outcomes.length > 0 && schedules.every((each) => each.state().ageSeconds < 3_600))
  const { looks, backups: counted } = counting(backups)
  begin({ backups: counted })
  await waitFor('some looks', () => looks.count > 5)
  t.same(outcomes, ['complete'])
  t.equal((await backups.newest())?.number, 1)

  await t.test('also one that has looked before the other was ready', async (t) => {
    const late = begin({ backups: { ...backups, newest: async () => undefined } })
    const { looks: more, backups: others } = counting(backups)
    begin({ backups: others })
    await waitFor('some looks', () => more.count > 5)
    await late.stop()
    t.equal((await backups.newest())?.number, 1)
  })

  await t.test('because a lock is held meanwhile', async (t) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const own = await installation(t)
    const slow = { ...own.options.source, moment: async () => promise.then(() => own.options.source.moment()) }
    const { feed: pool, recipientsFile } = own
    const common = { ...own.options, pool, recipientsFile, fullDays: 7, keep: 1 }
    const holding = createBackups({ ...common, source: slow })
    const made = holding.make()
    await waitFor('the lock', async () => {
      const { rowCount } = await pool.query(
        "select from pg_locks where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())",
      )
      return rowCount === 1
    })
    t.equal(await createBackups(common).make(), undefined)
    resolve()
    t.equal((await made)?.manifest.number, 1)
    t.equal((await createBackups(common).make())?.manifest.number, 2, 'and given back')
  })
})

t.test('its age grows while none can be made, which is told and tried again', async (t) => {
  const { begin, backups, outcomes, time, of, clock } = await installation(t)
  let broken = true
  const store = {
    ...backups,
    newest: async () => {
      if (broken) throw new BackupError('chain', 'manifests/00000001.json is missing')
      return backups.newest()
    },
  }
  const schedule = begin({ backups: store })
  await waitFor('a failure', () => outcomes.length === 1)
  t.same(outcomes, ['failed'])
  t.match(schedule.state(), { failing: true })
  time.offset += 30 * hour
  t.ok(schedule.state().ageSeconds >= 30 * 3_600)
  t.match(of('backup.failed'), [{ where: 'memory', err: { message: /00000001/ } }])
  broken = false
  clock.advance(600_000)
  await waitFor('a backup', () => outcomes.length === 2)
  t.match(schedule.state(), { failing: false })
  t.ok(schedule.state().ageSeconds < 3_600)
})

t.test('a store that takes nothing away has its backups all the same, and it is told', async (t) => {
  const own = await installation(t)
  const { options, feed: pool, recipientsFile, begin, of, outcomes } = own
  const store = { ...options.store, remove: async () => Promise.reject(new Error('retention is locked')) }
  await store.write('segments/00000001-00000000000000aa/entries-000001.age', Buffer.from('left over'))
  const backups = createBackups({ ...options, store, pool, recipientsFile, fullDays: 7, keep: 1 })
  const schedule = begin({ backups })
  await waitFor('a backup', () => outcomes.length === 1)
  t.same(outcomes, ['complete'])
  t.match(of('backup.not_pruned'), [{ err: { message: 'retention is locked' } }])
  t.match(schedule.state(), { failing: false })
})

t.test('stopping calls off what is under way', async (t) => {
  const { begin, backups, options, outcomes } = await installation(t)
  const begun = Promise.withResolvers<void>()
  const schedule = begin({
    backups: {
      ...backups,
      make: async ({ signal } = {}) => {
        begun.resolve()
        await new Promise((resolve) => signal?.addEventListener('abort', resolve))
        return backups.make(signal === undefined ? {} : { signal })
      },
    },
  })
  await begun.promise
  await schedule.stop()
  t.same(outcomes, [])
  t.same(await options.store.list('manifests/'), [])
})

t.test('recipients are read from their file, and nothing else is taken for one', async (t) => {
  const file = join(scratchDirectory(t, 'recipients'), 'recipients')
  const { identity, recipient } = await ageKeys()
  const other = await ageKeys()
  writeFileSync(file, `# the safe\r\n${recipient}\r\n\n  ${other.recipient}  \n`)
  t.same(await readRecipients(file), [recipient, other.recipient])
  for (const [text, words] of [
    ['', /names no recipient/],
    ['# nobody\n', /names no recipient/],
    [`${recipient}\n${recipient.slice(0, -1)}\n`, /Line 2 .* no age recipient/],
    [identity, /Line 1 .* no age recipient/],
    ['ssh-ed25519 AAAA', /Line 1 .* no age recipient/],
  ] as const) {
    writeFileSync(file, text)
    const refusal = await readRecipients(file).then(
      () => '',
      (thrown: Error) => thrown.message,
    )
    t.match(refusal, words)
    t.notOk(refusal.includes(identity), 'an identity put there by mistake is not shown')
  }
  await t.rejects(readRecipients(`${file}.not`), { name: 'StartError', message: /ENOENT/ })
})
