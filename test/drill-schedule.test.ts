import t, { type Test } from 'tap'
import type { BackupDrilled } from '../services/access/events.ts'
import { createBatcher } from '../services/audit/batcher.ts'
import { createMemoryEngine } from '../services/audit/engines/memory.ts'
import type { Ledger } from '../services/audit/ledger.ts'
import { createVault } from '../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../services/audit/vault/memory-key-store.ts'
import type { DrillOutcome } from '../services/backup-drill.ts'
import { createDrillSchedule, type DrillScheduleOptions } from '../services/drill-schedule.ts'
import { type Clock, systemClock } from '../services/kernel/clock.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { createDrillRecorder, readDrilled } from '../services/record-drill.ts'
import { logLines } from './support/log-lines.ts'
import { createTestDatabase } from './support/postgres.ts'
import { openPool } from './support/postgres-engine.ts'
import { waitFor } from './support/wait-for.ts'

const hour = 3_600_000
const database = await createTestDatabase(t)

const manifest = {
  number: 7,
  previous: undefined,
  kind: 'full',
  installation: 'here',
  createdAt: Date.UTC(2026, 10, 22),
  from: 0n,
  to: 41n,
  lastLeaf: undefined,
  clinics: 2,
  segments: [],
} as const

const whole: DrillOutcome = { manifest, entries: 41n, clinics: 2, bytes: 4_096, durationMs: 1_234.5, fault: undefined }
const broken: DrillOutcome = { ...whole, fault: { fault: 'missing', message: 'segments/1 is missing.' } }

/** An operator's ledger in memory, and processes that make drills; `time` is the ledger's. */
const installation = (test: Test) => {
  const pool = openPool(test, database.adminUrl, { max: 8 })
  const ledger: Ledger = createBatcher({ engine: createMemoryEngine({ clock: systemClock }), clock: systemClock })
  const vault = createVault({
    masterKey: createMasterKey(systemRandomness.bytes(32), systemRandomness),
    keyStore: createMemoryKeyStore(),
    randomness: systemRandomness,
  })
  const time = { offset: 0 }
  const now = () => systemClock.wall() + time.offset
  const record = createDrillRecorder({ ledger, vault, clock: systemClock, randomness: systemRandomness, now })
  const { logger, of } = logLines()
  let drills = 0
  const results: string[] = []
  const process = (over: Partial<DrillScheduleOptions> = {}) => {
    const schedule = createDrillSchedule({
      record,
      ledger,
      pool,
      hours: 24,
      now,
      clock: systemClock,
      logger,
      tickMs: 5,
      onDrilled: (result) => results.push(result),
      ...over,
      drill: async (signal) => {
        drills += 1
        return over.drill === undefined ? whole : over.drill(signal)
      },
    })
    test.teardown(() => schedule.stop())
    schedule.start()
    return schedule
  }
  const recorded = async (): Promise<readonly BackupDrilled[]> => {
    const found: BackupDrilled[] = []
    for await (const entry of ledger.read('_system', 0n, 1_000n)) found.push(readDrilled(entry))
    return found
  }
  return { time, process, recorded, record, of, results, drills: () => drills }
}

t.test('a drill is made, recorded, and made again once it is due and no earlier', async (t) => {
  const { time, process, recorded, drills, results, of } = installation(t)
  const first = process()
  await waitFor('the first drill', () => first.state().last !== undefined)
  await first.stop()
  t.same(await recorded(), [
    {
      backup: 7,
      backed_up_at: '2026-11-22T00:00:00.000Z',
      entries: '41',
      bytes: '4096',
      clinics: 2,
      duration_ms: 1235,
      result: 'restored',
      cause: 'schedule',
    },
  ])
  t.match(of('backup.drilled'), [{ backup: 7, entries: '41' }])

  await t.test('a restart neither repeats it nor forgets it', async (t) => {
    time.offset += 20 * hour
    const restarted = process()
    await waitFor('what the ledger says', () => restarted.state().last !== undefined)
    t.equal(drills(), 1)
    time.offset += 5 * hour
    await waitFor('the next one', async () => (await recorded()).length === 2)
    await restarted.stop()
    t.equal(drills(), 2)
  })

  await t.test('two processes make one between them', async (t) => {
    time.offset += 25 * hour
    const both = [process(), process()]
    await waitFor('both to know of it', async () => (await recorded()).length === 3 && both.every((one) => one.state().ageSeconds < 3_600))
    await Promise.all(both.map((one) => one.stop()))
    t.equal((await recorded()).length, 3)
    t.same(results, ['restored', 'restored', 'restored'])
  })
})

t.test('twin: with drills that are not recorded, a restart would repeat one', async (t) => {
  const { process, drills, record } = installation(t)
  const forgetful: DrillScheduleOptions['record'] = async (outcome, request) => record(outcome, { ...request, requestId: 'elsewhere' })
  for (const made of [1, 2]) {
    const one = process({ record: forgetful })
    await waitFor('a drill', () => one.state().last !== undefined)
    await one.stop()
    t.equal(drills(), made)
  }
})

t.test('a backup that cannot be restored is an entry, an error in the log, and no restored one', async (t) => {
  const { time, process, recorded, results, of } = installation(t)
  const good = process()
  await waitFor('a good one', () => good.state().last !== undefined)
  await good.stop()
  time.offset += 30 * hour
  const bad = process({ drill: async () => broken })
  await waitFor('the failure', () => bad.state().last?.result === 'failed')
  t.match((await recorded()).at(-1), { result: 'failed', fault: 'missing', backup: 7 })
  t.match(of('backup.not_restorable'), [{ fault: 'missing', msg: /segments\/1 is missing\. deploy\/runbooks\/drill-failed\.md/ }])
  t.ok(bad.state().ageSeconds > 29 * 3_600, 'the age is that of the last that came back')
  t.same(results, ['restored', 'failed'])
})

t.test('one that failed is made again after a day, however long the time between two is', async (t) => {
  const { time, process, recorded } = installation(t)
  const weekly = process({ hours: 168, drill: async () => ((await recorded()).length === 0 ? broken : whole) })
  await waitFor('the failure', () => weekly.state().last?.result === 'failed')
  await weekly.stop()
  time.offset += 22 * hour
  const restarted = process({ hours: 168 })
  await waitFor('what the ledger says', () => restarted.state().last?.result === 'failed')
  t.equal((await recorded()).length, 1, 'not before')
  time.offset += 3 * hour
  await waitFor('the next one', () => restarted.state().last?.result === 'restored')
  await restarted.stop()
  t.match(await recorded(), [{ result: 'failed' }, { result: 'restored' }])

  await t.test('and one that came back only when the time is over', async (t) => {
    time.offset += 25 * hour
    const third = process({ hours: 168 })
    await waitFor('what the ledger says', () => third.state().last !== undefined)
    await third.stop()
    t.equal((await recorded()).length, 2)
  })
})

t.test('one that could not be tried is told, not recorded, and tried again later only', async (t) => {
  const { process, recorded, results, of, drills } = installation(t)
  let at = 0
  let rounds = 0
  const clock: Clock = {
    ...systemClock,
    // Asked in each round whether it may be tried again.
    monotonic: () => {
      rounds += 1
      return at
    },
  }
  const one = process({
    clock,
    drill: async () => {
      throw new Error('the bucket does not answer')
    },
  })
  await waitFor('the warning', () => of('backup.not_drilled').length > 0)
  const before = rounds
  await waitFor('some rounds', () => rounds > before + 5)
  t.same(results, ['not_made'])
  t.equal(drills(), 1)
  at += 600_000
  await waitFor('the next try', () => of('backup.not_drilled').length > 1)
  await one.stop()
  t.same(await recorded(), [])
  t.equal(drills(), 2)
})

t.test('one that is under way when the process stops is called off and not recorded', async (t) => {
  const { process, recorded } = installation(t)
  let called: AbortSignal | undefined
  const one = process({
    drill: (signal) =>
      new Promise((_, reject) => {
        called = signal
        signal.addEventListener('abort', () => reject(new Error('called off')))
      }),
  })
  await waitFor('the drill', () => called !== undefined)
  await one.stop()
  t.equal(called?.aborted, true)
  t.same(await recorded(), [])
})
