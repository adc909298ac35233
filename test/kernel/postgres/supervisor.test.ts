import { pino } from 'pino'
import t from 'tap'
import type { Postmaster, PostmasterExit } from '../../../services/kernel/postgres/postmaster.ts'
import { type ServerExit, superviseServer } from '../../../services/kernel/postgres/supervisor.ts'

const crash: PostmasterExit = { code: null, signal: 'SIGKILL' }

/** A server that ends when the test says so. */
const server = (pid: number) => {
  const { promise: exited, resolve: end } = Promise.withResolvers<PostmasterExit>()
  const stop = async () => end({ code: 0, signal: null })
  return { pid, port: 1, exited, stop, end } satisfies Postmaster & { end: (exit: PostmasterExit) => void }
}

const supervise = (restarts: readonly (() => Promise<Postmaster>)[]) => {
  const first = server(1)
  let now = 0
  const queue = [...restarts]
  const told: ServerExit[] = []
  const supervisor = superviseServer({
    first,
    restart: () => queue.shift()?.() ?? Promise.reject(new Error('no more')),
    logger: pino({ level: 'silent' }),
    clock: { wall: () => now, monotonic: () => now },
  })
  let heard: () => void = () => {}
  supervisor.onExit((exit) => {
    told.push(exit)
    heard()
  })
  const until = async (kind: ServerExit['kind'], count = 1): Promise<void> => {
    while (told.filter((exit) => exit.kind === kind).length < count) await new Promise<void>((resolve) => (heard = resolve))
  }
  return { first, supervisor, told, until, advance: (milliseconds: number) => (now += milliseconds) }
}

t.test('a stop while the server is being started again stops the new one and tells nothing more', async (t) => {
  const second = server(2)
  const starting = Promise.withResolvers<Postmaster>()
  const { first, supervisor, told, until } = supervise([() => starting.promise])
  first.end(crash)
  await until('restarting')
  t.equal(supervisor.pid, undefined)
  const stopped = Promise.all([supervisor.stop(), supervisor.stop()])
  starting.resolve(second)
  await stopped
  t.strictSame(await second.exited, { code: 0, signal: null })
  t.equal(supervisor.pid, undefined)
  t.strictSame(told, [{ kind: 'restarting', ...crash }])
})

t.test('a start that fails is final, and the stop after it has nothing to do', async (t) => {
  const { first, supervisor, told, until } = supervise([() => Promise.reject(new Error('disk full'))])
  first.end(crash)
  await until('failed')
  t.match(told, [{ kind: 'restarting' }, { kind: 'failed', error: { message: 'disk full' } }])
  await supervisor.stop()
})

t.test('only exits soon after a start count towards giving up', async (t) => {
  const servers = Array.from({ length: 9 }, (_, index) => server(index + 2))
  const { first, told, until, advance } = supervise(servers.map((started) => async () => started))
  let running = first
  for (const [index, next] of servers.slice(0, 6).entries()) {
    if (index === 3) advance(10_000)
    running.end(crash)
    await until('restarted', index + 1)
    running = next
  }
  t.equal(told.filter((exit) => exit.kind === 'failed').length, 0)
  running.end(crash)
  await until('restarted', 7)
  servers[6]?.end(crash)
  await until('failed')
})

t.test('who no longer listens is told nothing, and an asked-for stop is told to nobody', async (t) => {
  const { supervisor, told } = supervise([])
  const other: ServerExit[] = []
  supervisor.onExit((exit) => other.push(exit))()
  await supervisor.stop()
  t.strictSame([told, other], [[], []])
})
