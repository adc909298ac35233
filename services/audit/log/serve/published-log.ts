/**
 * A clinic's log as far as it is published. Nothing beyond the newest signed checkpoint leaves from here, and nothing that the database
 * says of it is believed without the signature.
 */
import { LRUCache } from 'lru-cache'
import { ChartwardenError } from '../../../kernel/errors.ts'
import type { Ledger } from '../../ledger.ts'
import type { LogReader, LogState } from '../log-store.ts'
import type { VerifierKey } from '../note.ts'
import { type Tile, type TileId, tilePath, tileWidth, widthIn, widthOf } from '../tile.ts'
import { hashLength } from '../tree-hash.ts'
import type { WitnessPolicy } from '../witness-policy.ts'
import { createMergedReads } from './merged-reads.ts'
import { type OpenedCheckpoint, openCheckpoint } from './open-checkpoint.ts'

/** A checkpoint of a clinic's log, with the log it is of. */
export interface PublishedHead {
  readonly log: LogState
  /** Undefined: none yet. */
  readonly checkpoint: OpenedCheckpoint | undefined
}

/** A tree that is published: all that is proven stands under its root. */
export interface PublishedTree extends Pick<OpenedCheckpoint, 'size' | 'root'> {
  readonly clinic: string
  readonly generation: number
}

/** Something stored that is not what was signed. */
export interface LogDamage {
  readonly clinic: string
  /** A checkpoint, a tile, or what else it is; never what an entry says. */
  readonly what: string
}

export interface PublishedLogOptions {
  readonly reader: LogReader
  readonly ledger: Pick<Ledger, 'head'>
  /** Keys that may have signed checkpoints of the clinic, retired ones among them, the newest first. */
  readonly verifierKeys: (clinic: string, origin: string) => Promise<readonly VerifierKey[]>
  /** Undefined: no witnesses. */
  readonly policy: WitnessPolicy | undefined
  /** Whether this installation signs; where it does not, a log that another has signed is still served. */
  readonly signs: boolean
  /** For log and metrics. Must not throw. */
  readonly onDamage: (damage: LogDamage) => void
  /** Bytes of full tiles kept. Defaults to 16 MiB. */
  readonly cacheBytes?: number
}

export interface PublishedLog {
  /**
   * The newest signed head. Throws CLINIC_NOT_ALLOWED where there is no such clinic, LOG_OFF or NOT_PUBLISHED where it has no log, LOG_DAMAGED
   * where the checkpoint is not what was signed.
   */
  newest(clinic: string): Promise<PublishedHead>
  /** With the newest checkpoint that the configured witnesses have cosigned as their policy asks. Throws the same, and WITNESSES_OFF. */
  witnessed(clinic: string): Promise<PublishedHead>
  /** Whether any are configured. */
  readonly witnesses: boolean
  /** These tiles, each as wide as the tree makes it. Throws LOG_DAMAGED when one is not there, NOT_PUBLISHED when the log has begun anew. */
  tiles(tree: PublishedTree, ids: readonly TileId[]): Promise<readonly Tile[]>
  /** What to throw for something that is not what was signed; it is told, and tiles of the clinic are read anew. */
  damaged(clinic: string, what: string): ChartwardenError
}

type HeadKind = 'newest' | 'witnessed'

/** The tree under a checkpoint. */
export const treeOf = (log: LogState, checkpoint: OpenedCheckpoint): PublishedTree => ({
  clinic: log.clinic,
  generation: log.generation,
  size: checkpoint.size,
  root: checkpoint.root,
})

const keyOf = ({ level, index }: TileId): `${number}/${bigint}` => `${level}/${index}`

const idOf = (key: string): TileId => {
  const [level, index] = key.split('/') as [string, string]
  return { level: Number(level), index: BigInt(index) }
}

const halted = (cause: string): ChartwardenError =>
  new ChartwardenError('NOT_PUBLISHED', {
    message: `No checkpoint covers this: the log of this clinic is halted (${cause}) until an operator has looked.`,
  })

/** What to throw where no checkpoint covers something. */
export const notPublished = (log: LogState): ChartwardenError =>
  log.halted === undefined ? new ChartwardenError('NOT_PUBLISHED', { retryAfterSeconds: 1 }) : halted(log.halted)

export const createPublishedLog = (options: PublishedLogOptions): PublishedLog => {
  const { reader, ledger, verifierKeys, policy, signs, onDamage, cacheBytes = 16_777_216 } = options
  const cached = new LRUCache<string, Buffer>({ maxSize: cacheBytes, sizeCalculation: (hashes) => hashes.length })
  const opened = new LRUCache<string, { readonly from: string; readonly checkpoint: OpenedCheckpoint }>({ max: 1_024 })

  const damaged = (clinic: string, what: string): ChartwardenError => {
    // What was found false may have been kept; once it is mended the mended one must be read.
    for (const key of cached.keys()) if (key.startsWith(`${clinic} `)) cached.delete(key)
    onDamage({ clinic, what })
    return new ChartwardenError('LOG_DAMAGED')
  }

  const absent = async (clinic: string): Promise<ChartwardenError> => {
    if ((await ledger.head(clinic)) === undefined) return new ChartwardenError('CLINIC_NOT_ALLOWED')
    return signs ? new ChartwardenError('NOT_PUBLISHED', { retryAfterSeconds: 1 }) : new ChartwardenError('LOG_OFF')
  }

  const readHead = async (clinic: string): Promise<PublishedHead | undefined> => {
    const log = await reader.log(clinic)
    if (log === undefined) return undefined
    const stored = await reader.checkpoint(clinic)
    if (stored === undefined) return { log, checkpoint: undefined }
    const { checkpoint: columns, cosignatures } = stored
    const from = JSON.stringify([log.origin, columns.note, cosignatures.map(({ line }) => line)])
    const known = opened.get(clinic)
    // Signatures are looked at once, not at each call; the columns beside them each time.
    if (known?.from === from && known.checkpoint.size === columns.size && known.checkpoint.root.equals(columns.root)) {
      return { log, checkpoint: known.checkpoint }
    }
    const checkpoint = openCheckpoint({ ...stored, origin: log.origin, keys: await verifierKeys(clinic, log.origin), policy })
    if (checkpoint === undefined) {
      // The log may have begun anew between the two reads.
      const now = await reader.log(clinic)
      if (now?.generation !== log.generation) return { log, checkpoint: undefined }
      throw damaged(clinic, 'the newest checkpoint is not signed by a key of the log')
    }
    opened.set(clinic, { from, checkpoint })
    return { log, checkpoint }
  }

  const readWitnessed = async (clinic: string): Promise<PublishedHead | undefined> => {
    const head = await readHead(clinic)
    if (head?.checkpoint === undefined || head.checkpoint.quorum) return head
    const { log } = head
    const keys = await verifierKeys(clinic, log.origin)
    const found = (await reader.cosigned(clinic))
      .map((older) => openCheckpoint({ ...older, origin: log.origin, keys, policy }))
      .find((older) => older?.quorum)
    return { log, checkpoint: found }
  }

  const heads = createMergedReads<HeadKind, PublishedHead>({
    read: async (clinic, kinds) => {
      const found = new Map<HeadKind, PublishedHead>()
      for (const kind of kinds) {
        const head = await (kind === 'newest' ? readHead(clinic) : readWitnessed(clinic))
        if (head !== undefined) found.set(kind, head)
      }
      return found
    },
  })
  // What refuses a caller is thrown for each: refusals are counted by their errors.
  const head = async (clinic: string, kind: HeadKind): Promise<PublishedHead> => {
    const found = (await heads(clinic, [kind])).get(kind)
    if (found === undefined) throw await absent(clinic)
    return found
  }

  const stored = createMergedReads<string, Tile>({
    read: async (clinic, keys) => {
      const found = new Map<string, Tile>()
      for (const [generation, wanted] of Map.groupBy(keys, (key) => key.slice(0, key.indexOf(' ')))) {
        const ids = wanted.map((key) => idOf(key.slice(key.indexOf(' ') + 1)))
        for (const tile of await reader.tiles(clinic, ids, Number(generation))) found.set(`${generation} ${keyOf(tile)}`, tile)
      }
      return found
    },
  })

  const missing = async ({ clinic, generation }: PublishedTree, id: TileId, width: number): Promise<ChartwardenError> => {
    const log = await reader.log(clinic)
    if (log?.generation !== generation) return new ChartwardenError('NOT_PUBLISHED', { retryAfterSeconds: 1 })
    return damaged(clinic, `${tilePath(id, width)} is not there`)
  }

  return {
    newest: (clinic) => head(clinic, 'newest'),
    witnessed: async (clinic) => {
      if (policy === undefined) throw new ChartwardenError('WITNESSES_OFF')
      return head(clinic, 'witnessed')
    },
    witnesses: policy !== undefined,
    tiles: async (tree, ids) => {
      const { clinic, generation, size } = tree
      const kept = new Map(ids.map((id) => [id, cached.get(`${clinic} ${generation} ${keyOf(id)}`)]))
      const wanted = ids.filter((id) => kept.get(id) === undefined)
      const read: ReadonlyMap<string, Tile> =
        wanted.length === 0
          ? new Map()
          : await stored(
              clinic,
              wanted.map((id) => `${generation} ${keyOf(id)}`),
            )
      const tiles: Tile[] = []
      for (const id of ids) {
        const hashes = kept.get(id) ?? read.get(`${generation} ${keyOf(id)}`)?.hashes
        const width = widthIn(size, id)
        if (hashes === undefined || widthOf({ hashes }) < width) throw await missing(tree, id, width)
        if (widthOf({ hashes }) === tileWidth) cached.set(`${clinic} ${generation} ${keyOf(id)}`, hashes)
        tiles.push({ ...id, hashes: hashes.subarray(0, width * hashLength) })
      }
      return tiles
    },
    damaged,
  }
}
