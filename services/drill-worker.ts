/** A drill in a thread of its own: no decision waits for what it hashes and copies. */
import { parentPort, workerData } from 'node:worker_threads'
import { drillBackup } from './backup-drill.ts'
import type { DrillMessage, DrillTask } from './drill-thread.ts'
import { systemClock as clock } from './kernel/clock.ts'
import { systemRandomness as randomness } from './kernel/ids.ts'
import { createLogger } from './kernel/logging.ts'
import { readBackupMaterial, signedHeads } from './restore-database.ts'

const { logLevel, scratch, signing, ...task } = workerData as DrillTask
const port = parentPort as NonNullable<typeof parentPort>
const stopping = new AbortController()
port.once('message', () => stopping.abort())

const work = async (): Promise<DrillMessage> => {
  const masterKey = Buffer.from(task.masterKey)
  const { open } = await readBackupMaterial({ ...task, masterKey: { kind: 'key', key: masterKey }, clock, randomness })
  const outcome = await drillBackup({
    open: () => open(),
    masterKey,
    scratch,
    signedOf: await signedHeads(signing, randomness),
    logger: createLogger({ level: logLevel }),
    clock,
    randomness,
    signal: stopping.signal,
  })
  return { kind: 'outcome', outcome }
}

const message = await work().catch((thrown: unknown): DrillMessage => ({ kind: 'failed', error: thrown }))
port.postMessage(message)
// Nothing else holds the thread but what waits for an order to stop.
port.close()
