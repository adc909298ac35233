/** One opening of a clinic in a process of its own; started by snapshot.ts. */
import pg from 'pg'
import { createClinicWriters } from '../services/access/clinic-writer.ts'
import { captureState } from '../services/access/snapshot/capture.ts'
import { snapshotFormat } from '../services/access/snapshot/format.ts'
import { createPostgresSnapshotStore } from '../services/access/snapshot/postgres-snapshot-store.ts'
import { serialiseState } from '../services/access/snapshot/serialise.ts'
import { createSnapshots } from '../services/access/snapshots.ts'
import { createBatcher } from '../services/audit/batcher.ts'
import { createPostgresEngine } from '../services/audit/engines/postgres/engine.ts'
import type { Ledger, StoredEntry } from '../services/audit/ledger.ts'
import { createVault } from '../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../services/audit/vault/master-key.ts'
import { createPostgresKeyStore } from '../services/audit/vault/postgres-key-store.ts'
import { systemClock } from '../services/kernel/clock.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { createLogger } from '../services/kernel/logging.ts'

export interface Opening {
  readonly writerUrl: string
  readonly masterKey: string
  readonly clinic: string
  /** `write`: opens from the ledger and writes the snapshot. */
  readonly kind: 'write' | 'snapshot' | 'ledger'
  /** Not the first opening of the process: its code is compiled. */
  readonly again?: boolean
}

/** Milliseconds. */
export interface Opened {
  readonly totalMs: number
  readonly readMs: number
  readonly openMs: number
  /** Of `openMs`, what this thread had of a processor: what it takes where nothing else runs. */
  readonly openCpuMs: number
  readonly checkMs: number
  readonly foldMs: number
  readonly entriesRead: number
  readonly sealedBytes: number
  readonly captureMs: number
  readonly serialiseMs: number
  readonly longestPieceMs: number
  readonly sealMs: number
}

const run = async ({ writerUrl, masterKey, clinic, kind }: Opening): Promise<Opened> => {
  const pool = new pg.Pool({ connectionString: writerUrl })
  const engine = createPostgresEngine({ writer: pool, feed: pool })
  const batcher = createBatcher({ engine, clock: systemClock })
  const keyStore = createPostgresKeyStore({ pool })
  const vault = createVault({
    masterKey: createMasterKey(Buffer.from(masterKey, 'base64'), systemRandomness),
    keyStore,
    randomness: systemRandomness,
  })
  const keys = await vault.createClinic(clinic)
  const kept = createPostgresSnapshotStore({ pool })
  // A connection and its plans are there in a service that runs.
  await batcher.head(clinic)
  await kept.read('')

  let entriesRead = 0
  const at = { start: 0, rowRead: 0, restored: 0, checked: 0 }
  let cpu = process.threadCpuUsage()
  let openCpuMs = 0
  async function* counted(entries: AsyncIterable<StoredEntry>) {
    for await (const entry of entries) {
      entriesRead += 1
      yield entry
    }
  }
  const ledger: Ledger = {
    ...batcher,
    async *read(of, from, to) {
      at.restored = performance.now()
      const used = process.threadCpuUsage(cpu)
      openCpuMs = (used.user + used.system) / 1_000
      yield* counted(batcher.read(of, from, to))
    },
    async *readState(of, from) {
      at.checked = performance.now()
      yield* counted(batcher.readState(of, from))
    },
  }
  let sealedBytes = 0
  const store: typeof kept = {
    read: async (of) => {
      const row = await kept.read(of)
      at.rowRead = performance.now()
      cpu = process.threadCpuUsage()
      return row
    },
    write: async (of, snapshot, instead) => {
      sealedBytes = snapshot.sealed.length
      return kept.write(of, snapshot, instead)
    },
  }
  const every = kind === 'write' ? 1_000 : Number.POSITIVE_INFINITY
  const snapshots = createSnapshots({ store, ledger, clock: systemClock, logger: createLogger({ level: 'error' }), every })
  const given = { ledger, vault, clock: systemClock, now: () => systemClock.wall() }
  const writers = createClinicWriters(kind === 'ledger' ? given : { ...given, snapshots })
  at.start = performance.now()
  const { state } = await writers.open(clinic)
  const end = performance.now()
  await snapshots.close()

  const since = (from: number): number => performance.now() - from
  let from = performance.now()
  const captured = captureState(state)
  const captureMs = since(from)
  const pieces: Buffer[] = []
  let longestPieceMs = 0
  const begin = performance.now()
  from = begin
  for (const piece of serialiseState(captured, 'anchor')) {
    pieces.push(Buffer.from(piece))
    longestPieceMs = Math.max(longestPieceMs, since(from))
    from = performance.now()
  }
  const serialiseMs = since(begin)
  from = performance.now()
  keys.sealState({ clinic, format: snapshotFormat, stateRevision: state.revision }, Buffer.concat(pieces))
  const sealMs = since(from)
  await batcher.drain()
  await engine.close()
  await pool.end()
  const taken = kind === 'snapshot'
  return {
    totalMs: end - at.start,
    readMs: taken ? at.rowRead - at.start : 0,
    openMs: taken ? at.restored - at.rowRead : 0,
    openCpuMs,
    checkMs: taken ? at.checked - at.restored : 0,
    foldMs: end - at.checked,
    entriesRead,
    sealedBytes,
    captureMs,
    serialiseMs,
    longestPieceMs,
    sealMs,
  }
}

process.on('message', (opening: Opening) => {
  const first = opening.again === true ? run(opening) : undefined
  Promise.resolve(first)
    .then(() => run(opening))
    .then(
      (opened) => process.send?.(opened, () => process.disconnect()),
      (thrown: unknown) => {
        process.stderr.write(`${String((thrown as Error).stack)} ${String((thrown as Error).cause ?? '')}\n`)
        process.exit(1)
      },
    )
})
