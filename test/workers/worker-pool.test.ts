import t, { type Test } from 'tap'
import type { FromWorker, ToWorker } from '../../services/workers/messages.ts'
import { createWorkerPool, type WorkerPoolOptions } from '../../services/workers/worker-pool.ts'
import type { WorkerExit } from '../../services/workers/worker-process.ts'
import { logLines } from '../support/log-lines.ts'
import { manualClock } from '../support/manual-clock.ts'
import { manualTimers } from '../support/manual-timers.ts'

const ports = { grpcPort: 50_051, httpPort: 8_080 }

/** A pool over processes that say and do what a test wants. */
const setUp = (over: Partial<WorkerPoolOptions> = {}) => {
  const clock = manualClock()
  const timers = manualTimers()
  const log = logLines()
  const forked: {
    readonly pid: number
    readonly sent: ToWorker[]
    killed: boolean
    /** Whether it does not react any more. */
    silent: boolean
    says(message: FromWorker): void
    ends(exit: WorkerExit): void
  }[] = []
  let exits = 0
  const pool = createWorkerPool({
    fork: () => {
      let hear: (message: FromWorker) => void = () => undefined
      let told: (exit: WorkerExit) => void = () => undefined
      const process = {
        pid: 1_000 + forked.length,
        sent: [] as ToWorker[],
        killed: false,
        silent: false,
        says: (message: FromWorker) => hear(message),
        ends: (exit: WorkerExit) => told(exit),
      }
      forked.push(process)
      return {
        pid: process.pid,
        send: (message) => {
          process.sent.push(message)
          if (message.kind === 'ping' && !process.silent) process.says({ kind: 'pong' })
        },
        onMessage: (listener) => {
          hear = listener
        },
        onExit: (listener) => {
          told = listener
        },
        kill: () => {
          process.killed = true
          process.ends({ code: null, signal: 'SIGKILL' })
        },
      }
    },
    workers: 2,
    databaseUrls: undefined,
    stopTimeoutMs: 25_000,
    clock,
    logger: log.logger,
    onExit: () => {
      exits += 1
    },
    timers,
    ...over,
  })
  const process = (index: number) => forked[index] as (typeof forked)[number]
  const serve = (index: number): void => {
    process(index).says({ kind: 'hello' })
    process(index).says({ kind: 'listening', ports })
    process(index).says({ kind: 'serving' })
  }
  /** Delays asked for, beside that of the next ping. */
  const waits = () => timers.pending().filter((milliseconds) => milliseconds !== 10_000)
  return { pool, clock, timers, waits, log, forked, process, serve, exits: () => exits }
}

/** One whose two workers answer. */
const started = async (over: Partial<WorkerPoolOptions> = {}) => {
  const parts = setUp(over)
  const start = parts.pool.start()
  parts.serve(0)
  parts.serve(1)
  await start
  return parts
}

const ended: WorkerExit = { code: null, signal: 'SIGKILL' }

t.test('it has started when all of them listen, each under a name of its own', async (t) => {
  const { pool, forked, process, serve } = setUp()
  let done = false
  const start = pool.start().then((given) => {
    done = true
    return given
  })
  t.equal(forked.length, 2)
  serve(0)
  await Promise.resolve()
  t.same([done, pool.states()], [false, { serving: 1, starting: 1 }])
  process(1).says({ kind: 'hello' })
  process(1).says({ kind: 'listening', ports })
  t.same(await start, ports)
  t.same(pool.states(), { serving: 1, starting: 1 }, 'it listens, and has no keys to verify tokens with')
  process(1).says({ kind: 'serving' })
  await pool.serving
  t.same(pool.states(), { serving: 2, starting: 0 })
  t.same(
    forked.map(({ sent }) => sent),
    ['1', '2'].map((worker) => [{ kind: 'start', order: { worker, workers: 2, databaseUrls: undefined } }]),
  )
})

t.test('one that cannot start ends the start with its line', async (t) => {
  const refused = setUp()
  const start = t.rejects(refused.pool.start(), {
    name: 'StartError',
    message: 'gRPC cannot listen on 127.0.0.1:1; is it in use?',
    mayPass: true,
  })
  refused.process(1).says({ kind: 'refused', message: 'gRPC cannot listen on 127.0.0.1:1; is it in use?', mayPass: true })
  refused.process(1).ends({ code: 1, signal: null })
  await start
  t.equal(refused.forked.length, 2, 'and is not tried again')

  const silent = setUp()
  const other = t.rejects(silent.pool.start(), { name: 'StartError', message: /^Worker 1 ended with SIGSEGV before it could listen/ })
  silent.process(0).ends({ code: null, signal: 'SIGSEGV' })
  await other
})

t.test('one that ends by itself is replaced under its name, at once if it had lived long', async (t) => {
  const { pool, clock, timers, waits, process, serve, forked, log, exits } = await started()
  clock.advance(60_000)
  process(1).ends(ended)
  t.same(pool.states(), { serving: 1, starting: 1 })
  t.same(waits(), [0])
  timers.runAll()
  serve(2)
  t.same(process(2).sent, [{ kind: 'start', order: { worker: '2', workers: 2, databaseUrls: undefined } }])
  t.same(pool.states(), { serving: 2, starting: 0 })
  t.match(log.of('worker.exited'), [{ worker: '2', pid: 1_001, signal: 'SIGKILL', replacedInMs: 0 }])
  t.equal(exits(), 1)
  process(1).says({ kind: 'listening', ports })
  process(1).ends(ended)
  t.equal(forked.length, 3, 'what comes late from the one before changes nothing')
})

t.test('one that ends again and again waits longer each time, and never gives up', async (t) => {
  const { timers, waits, process, forked, log } = await started()
  const waited: number[] = []
  for (let turn = 0; turn < 12; turn += 1) {
    const last = process(turn === 0 ? 0 : forked.length - 1)
    last.says({ kind: 'refused', message: 'no database', mayPass: true })
    last.ends({ code: 1, signal: null })
    waited.push(...waits())
    timers.runAll()
  }
  t.same(waited, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000])
  t.match(log.of('worker.exited').at(-1), { worker: '1', refusal: 'no database' })
  t.equal(forked.length, 14)
})

t.test('a stop has all of them finish, replaces none, and ends those that do not', async (t) => {
  const { pool, timers, waits, process, forked } = await started()
  process(0).ends(ended)
  t.equal(waits().length, 1, 'one waits to be replaced')
  const stop = pool.stop()
  t.equal(pool.stop(), stop, 'asking twice is one stop')
  t.same(process(1).sent.at(-1), { kind: 'stop' })
  t.same(timers.pending(), [25_000])
  timers.runAll()
  await stop
  t.ok(process(1).killed)
  t.equal(forked.length, 2)
})

t.test('a stop while they start reaches those that had not said hello', async (t) => {
  const { pool, process } = setUp()
  const start = t.rejects(pool.start())
  process(0).ends(ended)
  await start
  const stop = pool.stop()
  process(1).says({ kind: 'hello' })
  t.same(process(1).sent, [{ kind: 'stop' }, { kind: 'stop' }])
  process(1).ends({ code: 0, signal: null })
  await stop
  t.notOk(process(1).killed)
})

t.test('metrics are those of the workers that answer in time', async (t: Test) => {
  const { pool, timers, process } = await started()
  const askedOf = (index: number) =>
    process(index)
      .sent.filter((message) => message.kind === 'tell_metrics')
      .at(-1)?.request ?? -1
  const both = pool.metrics()
  process(1).says({ kind: 'metrics', request: askedOf(1), text: 'b 1\n' })
  process(0).says({ kind: 'metrics', request: askedOf(0), text: 'a 1\n' })
  t.same(await both, [
    { worker: '1', text: 'a 1\n' },
    { worker: '2', text: 'b 1\n' },
  ])
  const one = pool.metrics()
  process(0).says({ kind: 'metrics', request: askedOf(0), text: 'a 2\n' })
  timers.runAll()
  t.same(await one, [{ worker: '1', text: 'a 2\n' }], 'one is silent')
  const late = askedOf(1)
  const none = pool.metrics()
  process(1).says({ kind: 'metrics', request: late, text: 'b 2\n' })
  process(0).says({ kind: 'metrics', request: askedOf(0), text: undefined })
  process(1).ends(ended)
  t.same(await none, [], 'one has none and the other is gone')
})

t.test('one that does not react any more is ended and replaced; one that does is left alone', async (t) => {
  const { pool, timers, process, forked, log } = await started()
  const pings = (index: number) => process(index).sent.filter(({ kind }) => kind === 'ping').length
  process(1).silent = true
  for (let turn = 0; turn < 7; turn += 1) timers.runAll()
  t.same([pings(0), pings(1)], [7, 6])
  t.match(log.of('worker.silent'), [{ worker: '2', pid: 1_001 }])
  t.same([process(0).killed, process(1).killed], [false, true])
  timers.runAll()
  t.equal(forked.length, 3)
  const stop = pool.stop()
  for (const index of [0, 2]) process(index).ends({ code: 0, signal: null })
  await stop
  t.same(timers.pending(), [], 'nothing is asked of anybody after a stop')
})

t.test('certificates are read again by all', async (t) => {
  const { pool, process } = await started()
  pool.reloadTls()
  for (const index of [0, 1]) t.same(process(index).sent.at(-1), { kind: 'reload_tls' })
})
