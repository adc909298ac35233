/**
 * Cerbos as its makers ship it, with its decision log on, under the same callers, the same kills and a full disk. What it lost is told, and
 * nothing is required of it. It has no database: what is killed is the one process.
 */
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type BytesClient, createBytesClient } from '../../bench/load/bytes-client.ts'
import { checkResourcesPath, countAllowed, encodeCheckResources } from '../../bench/load/cerbos-messages.ts'
import { type CerbosLog, startCerbos } from '../../bench/peers/cerbos.ts'
import { accountOf } from './account.ts'
import { type Kept, keepRunning } from './keep-running.ts'
import { busyCallers, killInTurn } from './kill-in-turn.ts'
import { type Load, startLoad } from './load.ts'
import { during, type ScenarioOptions, type ScenarioResult } from './scenario.ts'
import { mountSmallDisk, noSmallDisk } from './small-disk.ts'

type KeptCerbos = Kept<Awaited<ReturnType<typeof startCerbos>>>

const openCerbos = async (
  stack: AsyncDisposableStack,
  directory: string,
  log: CerbosLog,
): Promise<{ readonly kept: KeptCerbos; readonly load: Load }> => {
  const kept = await keepRunning(() => startCerbos(directory, log))
  stack.defer(() => kept.close())
  const clients = new Map<string, BytesClient>()
  stack.defer(() => {
    for (const client of clients.values()) client.close()
  })
  const open = async (): Promise<BytesClient> => {
    const { address } = await kept.up()
    const client = clients.get(address) ?? createBytesClient({ address })
    clients.set(address, client)
    return client
  }
  const load = startLoad({
    callers: busyCallers,
    ready: open,
    reasonOf: (thrown) => `gRPC ${(thrown as { readonly code?: number }).code ?? 'unknown'}`,
    ask: () => {
      const id = randomUUID()
      const message = encodeCheckResources({ person: 'anna', records: [id] })
      return async () => {
        const allowed = countAllowed(await (await open()).call(checkResourcesPath, message))
        return { clinic: '', id, revision: 0n, decision: allowed === 1 ? 'permit' : 'deny' }
      }
    },
  })
  return { kept, load }
}

/** Everything it was told to write is given time to be written: its store is flushed every 30 seconds, and when it stops. */
const conclude = async (
  { kept, load }: { readonly kept: KeptCerbos; readonly load: Load },
  told: Pick<ScenarioResult, 'name' | 'what' | 'moments'>,
): Promise<ScenarioResult> => {
  await load.finish()
  await (await kept.up()).stop('SIGTERM')
  const asked = new Set(load.answers.map(({ id }) => id))
  // Starting it asks a question of its own.
  const records = (await (await kept.up()).loggedRecords()).filter((record) => asked.has(record))
  const logged = records.map((id) => ({ clinic: '', id, revision: 0n, decision: 'permit' as const, recordedAt: 0 }))
  return {
    ...told,
    accounted: accountOf({ asked: load.asked, answers: load.answers, logged, gaps: 0, sameClock: false }),
    refusals: Object.fromEntries(load.refusals),
    seen: [],
    problems: [],
  }
}

const killed = async ({ scratch, rounds, random }: ScenarioOptions): Promise<ScenarioResult> => {
  await using stack = new AsyncDisposableStack()
  const cerbos = await openCerbos(stack, path.join(scratch, 'cerbos'), 'local')
  const kill = async (): Promise<void> => (await cerbos.kept.up()).stop('SIGKILL')
  // As many as ours has, so that busy and quiet rounds are the same.
  const moments = await killInTurn({ load: cerbos.load, victims: ['Cerbos', 'Cerbos', 'Cerbos'], kill, rounds, random })
  return await conclude(cerbos, {
    name: 'kill -9',
    what: 'Cerbos, with its decision log in its local store, is killed at the same moments, under the same callers.',
    moments,
  })
}

const diskFull = async ({ scratch, pauseMs }: ScenarioOptions): Promise<ScenarioResult> => {
  await using stack = new AsyncDisposableStack()
  const disk = mountSmallDisk(path.join(scratch, 'cerbos-disk'), 32)
  stack.defer(() => disk.unmount())
  const cerbos = await openCerbos(stack, path.join(disk.directory, 'cerbos'), 'file')
  await cerbos.load.nextAnswer()
  const moment = await during(cerbos.load, 'full', async () => {
    disk.fill()
    await delay(Math.min(pauseMs, 5_000))
    disk.empty()
  })
  return await conclude(cerbos, {
    name: 'disk full',
    what: 'The disk that holds the decision log of Cerbos, a file, is filled to the last byte for a while.',
    moments: [moment],
  })
}

/** Runs Cerbos through what ours goes through, as far as it applies and can be done here. */
export const runCerbos = async (options: () => ScenarioOptions): Promise<ScenarioResult[]> => [
  await killed(options()),
  ...(noSmallDisk() === undefined ? [await diskFull(options())] : []),
]
