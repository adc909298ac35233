/** A clinic's ledger and log in memory, published as far as a test says, that a test may also damage. */
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import type { ClinicEntries } from '../../services/audit/clinic-entries.ts'
import type { Ledger, StoredEntry } from '../../services/audit/ledger.ts'
import { formatCheckpoint } from '../../services/audit/log/checkpoint.ts'
import type { HaltCause, LogReader, PublishedCheckpoint, StoredCosignature } from '../../services/audit/log/log-store.ts'
import { formatNote, formatVerifierKey, signNote, type VerifierKey, verifierKeyOf } from '../../services/audit/log/note.ts'
import { logOrigin } from '../../services/audit/log/origin.ts'
import type { TileId } from '../../services/audit/log/tile.ts'
import { type NaiveTree, naiveTreeOf } from './naive-tree.ts'

type Cosigned = { readonly checkpoint: PublishedCheckpoint; readonly cosignatures: StoredCosignature[] }

/** Calls of the reader, by name. */
export type ReaderCalls = Record<keyof LogReader, number>

const entryBytes = (id: string, size: number): Buffer =>
  Buffer.from(`{"id":"${id}","salt":"${randomBytes(size).toString('hex')}","time":"2026-11-23T08:00:00.000Z","type":"test"}`)

export const memoryLog = (clinic = 'north') => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const entries: StoredEntry[] = []
  const waiters = new Set<() => void>()
  const calls: ReaderCalls = { log: 0, tiles: 0, checkpoint: 0, cosigned: 0, published: 0 }
  const edits = new Map<string, (hashes: Buffer) => Buffer | undefined>()
  let tree: NaiveTree | undefined
  let generation = 1
  let halted: HaltCause | undefined
  let missing = false
  let checkpoints: Cosigned[] = []

  const origin = (): string => logOrigin('log.example', clinic, generation)
  const treeNow = (): NaiveTree => {
    tree ??= naiveTreeOf(entries.map(({ bytes }) => bytes))
    return tree
  }
  const newest = (): Cosigned | undefined => checkpoints.at(-1)
  const verifierKey = (): VerifierKey => verifierKeyOf(origin(), privateKey)
  const keyOf = ({ level, index }: TileId): string => `${level}/${index}`

  const reader: LogReader = {
    log: async () => {
      calls.log += 1
      return missing ? undefined : { clinic, origin: origin(), generation, size: BigInt(entries.length), halted }
    },
    tiles: async (_clinic, ids, wanted = generation) => {
      calls.tiles += 1
      if (wanted !== generation) return []
      return ids.flatMap((id) => {
        const { hashes } = treeNow().tile(id, BigInt(entries.length))
        const edited = edits.get(keyOf(id))?.(Buffer.from(hashes)) ?? (edits.has(keyOf(id)) ? Buffer.alloc(0) : hashes)
        return edited.length === 0 ? [] : [{ ...id, hashes: edited }]
      })
    },
    checkpoint: async () => {
      calls.checkpoint += 1
      return newest()
    },
    cosigned: async () => {
      calls.cosigned += 1
      return checkpoints.filter(({ cosignatures }) => cosignatures.length > 0).toReversed()
    },
    published: (_clinic, size, signal) => {
      calls.published += 1
      return new Promise((resolve, reject) => {
        const look = (): void => {
          const found = newest()?.checkpoint.size ?? 0n
          if (signal.aborted) reject(signal.reason)
          else if (found > size || halted !== undefined) resolve(found)
          else return
          waiters.delete(look)
        }
        waiters.add(look)
        signal.addEventListener('abort', look, { once: true })
        look()
      })
    },
  }
  const clinicEntries: ClinicEntries = {
    read: async function* (_clinic, from, to) {
      yield* entries.slice(Number(from), Number(to) + 1)
    },
    find: async (_clinic, ids) => new Map(entries.filter(({ id }) => ids.includes(id)).map((entry) => [entry.id, entry])),
  }
  const ledger: Pick<Ledger, 'head'> = {
    head: async (asked) => (asked === clinic ? { revision: BigInt(entries.length) - 1n, stateRevision: 0n } : undefined),
  }

  const noteOf = (size: bigint, root: Buffer): string => {
    const text = formatCheckpoint({ origin: origin(), size, root, extensions: [] })
    return formatNote(text, [signNote(text, origin(), privateKey)])
  }

  return {
    clinic,
    entries,
    reader,
    calls,
    clinicEntries,
    ledger,
    origin,
    verifierKeys: async () => [verifierKey()],
    vkey: () => formatVerifierKey(verifierKey()),
    root: (size: number) => treeNow().root(0n, BigInt(size)),
    tree: treeNow,
    waiting: () => waiters.size,
    bytes: (revision: number): Uint8Array => entries[revision]?.bytes ?? Buffer.alloc(0),
    /** Appends entries and integrates them; none is published. */
    add: (count: number, saltBytes = 16) => {
      for (let made = 0; made < count; made += 1) {
        const id = randomUUID()
        entries.push({
          id,
          clinic,
          type: 'test',
          stateChanging: false,
          requestDigest: randomBytes(32),
          bytes: entryBytes(id, saltBytes),
          revision: BigInt(entries.length),
          recordedAt: 0,
        })
      }
      tree = undefined
    },
    publish: (size = entries.length, note?: string) => {
      const root = treeNow().root(0n, BigInt(size))
      const checkpoint = { size: BigInt(size), root, note: note ?? noteOf(BigInt(size), root), publishedAt: 1_795_000_000_000 }
      checkpoints.push({ checkpoint, cosignatures: [] })
      for (const look of [...waiters]) look()
    },
    /** Adds a witness's line to the newest checkpoint. */
    cosign: (sign: (text: string) => { readonly witness: string; readonly line: string }) => {
      const { checkpoint, cosignatures } = newest() as Cosigned
      const text = checkpoint.note.slice(0, checkpoint.note.lastIndexOf('\n\n') + 1)
      cosignatures.push({ clinic, size: checkpoint.size, ...sign(text) })
    },
    /** Changes what the newest checkpoint's row says. */
    editCheckpoint: (change: (checkpoint: PublishedCheckpoint) => PublishedCheckpoint) => {
      const last = newest() as Cosigned
      checkpoints[checkpoints.length - 1] = { ...last, checkpoint: change(last.checkpoint) }
    },
    /** A tile from now on reads so; undefined: it is gone. */
    editTile: (id: TileId, change: (hashes: Buffer) => Buffer | undefined) => void edits.set(keyOf(id), change),
    mendTiles: () => edits.clear(),
    editEntry: (revision: number, bytes: Buffer) => {
      entries[revision] = { ...(entries[revision] as StoredEntry), bytes }
    },
    halt: (cause: HaltCause) => {
      halted = cause
      for (const look of [...waiters]) look()
    },
    /** Begins anew under the next origin, with the same entries in the tree and nothing published. */
    restart: () => {
      generation += 1
      checkpoints = []
    },
    /** As if no sealer had ever seen the clinic. */
    forget: () => {
      missing = true
    },
  }
}

export type MemoryLog = ReturnType<typeof memoryLog>
