/** The logs of one tenure: opened when they are first needed, checked against the signer store then, and halted where they may not go on. */
import type { HaltFacts } from './halt-words.ts'
import type { HaltCause, Integration, KeptLog, LogWriter } from './log-store.ts'
import { type OpenLog, openLog } from './open-log.ts'
import type { Standing, Standings } from './standing.ts'
import type { Tile, TileId } from './tile.ts'
import { appendLeaves, edgeRoot } from './tree-edge.ts'
import { hashLength } from './tree-hash.ts'
import type { InquiredLog, WitnessDispute } from './witness-inquiry.ts'

export interface LogBookOptions {
  readonly writer: LogWriter
  readonly epoch: bigint
  readonly standing: Standings
  /** Entries in a clinic's ledger now. */
  readonly entries: (clinic: string) => Promise<bigint>
  /** Leaf hashes of a ledger from a revision on, at most so many. */
  readonly leafHashes: (clinic: string, from: bigint, most: number) => Promise<Buffer>
  /** Leaves integrated at once where a log is caught up by itself. */
  readonly most: number
  /** Sees to it that the ledger says that its log was begun anew. */
  readonly announceRestart: (standing: Standing) => Promise<void>
  /** What witnesses say against these logs, by clinic. */
  readonly disputesOf: (logs: readonly InquiredLog[]) => Promise<ReadonlyMap<string, WitnessDispute>>
  readonly onHalt: (cause: HaltCause, facts: HaltFacts) => void
  readonly onMended: (clinic: string) => void
  readonly onIntegrated: (entries: number) => void
  /** Logs whose edges are kept in memory. */
  readonly maxOpen: number
}

export interface LogBook {
  readonly open: ReadonlyMap<string, OpenLog>
  readonly halted: ReadonlyMap<string, HaltCause>
  /** Opens, or halts, those that are neither; with `again` those that are halted too. */
  see(clinics: readonly string[], again?: boolean): Promise<void>
  /** What these leaves change in the log; undefined: nothing, or it was halted by them. Nothing is changed before `settle`. */
  grow(log: OpenLog, first: bigint, hashes: Buffer): Promise<Growth | undefined>
  settle(growth: Growth): void
  /** Integrates what the ledger holds below that revision. */
  fill(log: OpenLog, to: bigint): Promise<void>
  /** Lets go of logs that have nothing to publish, the longest known first, as far as there are too many. */
  shrink(): void
}

/** Tiles and the edge after them. */
export interface Growth {
  readonly log: OpenLog
  readonly edge: OpenLog['edge']
  readonly integration: Integration
}

/** Another sealer has taken over. */
export class Superseded extends Error {}

/** Ledgers asked for their length at once: the connections are those of the appends. */
const askedAtOnce = 4

export const createLogBook = (options: LogBookOptions): LogBook => {
  const { writer, epoch, standing, entries, leafHashes, most, announceRestart, disputesOf, onHalt, onMended, onIntegrated, maxOpen } =
    options
  const open = new Map<string, OpenLog>()
  const halted = new Map<string, HaltCause>()
  /** Logs that no witness has disputed when they were first opened. */
  const undisputed = new Set<string>()

  const unlessSuperseded = (done: boolean): void => {
    if (!done) throw new Superseded()
  }

  const halt = async (cause: HaltCause, kept: Pick<KeptLog, 'halted'>, facts: HaltFacts): Promise<void> => {
    open.delete(facts.clinic)
    if (kept.halted !== cause) unlessSuperseded(await writer.halt(epoch, facts.clinic, cause))
    if (halted.get(facts.clinic) !== cause) onHalt(cause, facts)
    halted.set(facts.clinic, cause)
  }

  const factsOf = (kept: KeptLog, ledger: bigint): HaltFacts => ({
    clinic: kept.clinic,
    origin: kept.origin,
    ledger,
    tree: kept.size,
    signed: standing(kept.clinic).signed?.size ?? 0n,
    published: kept.published?.size ?? 0n,
  })

  /** The log of the generation that the signer store is at, begun anew where the database is at an earlier one. */
  const current = async (kept: KeptLog): Promise<KeptLog> => {
    const wanted = standing(kept.clinic)
    if (kept.generation >= wanted.generation) return kept
    const restarted = await writer.restart(epoch, wanted)
    if (restarted === undefined) throw new Superseded()
    return restarted
  }

  const grow: LogBook['grow'] = async (log, first, hashes) => {
    const { size } = log.edge
    const fresh = hashes.subarray(Number(size - first) * hashLength)
    if (fresh.length === 0 || size - first < 0n) return undefined
    const { edge, tiles } = appendLeaves(log.edge, fresh)
    const { ahead } = log
    if (ahead !== undefined && edge.size >= ahead.size) {
      const through = appendLeaves(log.edge, fresh.subarray(0, Number(ahead.size - size) * hashLength)).edge
      if (Buffer.compare(edgeRoot(through), ahead.root) !== 0) {
        const { clinic, origin, published } = log
        const facts = { clinic, origin, ledger: await entries(clinic), tree: size, signed: ahead.size, published }
        await halt('ledger_differs', {}, facts)
        return undefined
      }
    }
    return { log, edge, integration: { clinic: log.clinic, from: size, to: edge.size, tiles } }
  }

  const settle: LogBook['settle'] = ({ log, edge, integration }) => {
    log.edge = edge
    if (log.ahead !== undefined && edge.size >= log.ahead.size) log.ahead = undefined
    onIntegrated(Number(integration.to - integration.from))
  }

  const fill: LogBook['fill'] = async (log, to) => {
    while (log.edge.size < to) {
      const { size } = log.edge
      const hashes = await leafHashes(log.clinic, size, Number(to - size < BigInt(most) ? to - size : BigInt(most)))
      if (hashes.length === 0) throw new Error('the ledger has no entries where it is known to have some')
      const growth = await grow(log, size, hashes)
      if (growth === undefined) return
      unlessSuperseded(await writer.integrate(epoch, [growth.integration], undefined))
      settle(growth)
    }
  }

  /** True unless it was halted on the way. */
  const reach = async (log: OpenLog, size: bigint): Promise<boolean> => {
    await fill(log, size)
    return log.edge.size >= size
  }

  /** Asked once of each log, before it is signed on, and again while one is disputed. */
  const askWitnesses = async (logs: readonly KeptLog[]): Promise<ReadonlyMap<string, WitnessDispute>> => {
    const asked = logs.filter(({ clinic, published }) => published !== undefined && !undisputed.has(clinic))
    const disputes = await disputesOf(
      asked.map(({ clinic, origin, generation }) => ({ clinic, origin, generation, signed: standing(clinic).signed?.size ?? 0n })),
    )
    for (const { clinic } of asked) if (!disputes.has(clinic)) undisputed.add(clinic)
    return disputes
  }

  const examine = async (kept: KeptLog, tiles: readonly Tile[], ledger: bigint, dispute: WitnessDispute | undefined): Promise<void> => {
    const wanted = standing(kept.clinic)
    const hashes = { tiles: (ids: readonly TileId[]) => writer.tiles(kept.clinic, ids) }
    const verdict = await openLog({ kept, standing: wanted, tiles, hashes, ledger })
    if ('halt' in verdict) return halt(verdict.halt, kept, factsOf(kept, ledger))
    if (dispute !== undefined) return halt('store_behind', kept, { ...factsOf(kept, ledger), dispute })
    const { log } = verdict
    if (wanted.retired !== undefined && wanted.signed === undefined) await announceRestart(wanted)
    // Of a log that was halted the feed has passed by what came meanwhile.
    if (!(await reach(log, kept.halted === undefined ? (log.ahead?.size ?? 0n) : ledger))) return
    if (kept.halted !== undefined) {
      unlessSuperseded(await writer.halt(epoch, kept.clinic, undefined))
      onMended(kept.clinic)
    }
    halted.delete(kept.clinic)
    open.set(kept.clinic, log)
  }

  const lengths = async (clinics: readonly string[]): Promise<ReadonlyMap<string, bigint>> => {
    const found = new Map<string, bigint>()
    for (let start = 0; start < clinics.length; start += askedAtOnce) {
      const asked = clinics.slice(start, start + askedAtOnce)
      for (const [place, length] of (await Promise.all(asked.map(entries))).entries()) found.set(asked[place] as string, length)
    }
    return found
  }

  const see: LogBook['see'] = async (clinics, again = false) => {
    const wanted = clinics.filter((clinic) => !open.has(clinic) && (again || !halted.has(clinic)))
    if (wanted.length === 0) return
    const logs: KeptLog[] = []
    for (const kept of (await writer.logs(wanted.map((clinic) => standing(clinic)))).values()) logs.push(await current(kept))
    const disputes = await askWitnesses(logs)
    const tiles = await writer.edges(wanted)
    // Counted last: what a tree holds, its ledger held before.
    const ledgers = await lengths(wanted)
    for (const kept of logs) await examine(kept, tiles.get(kept.clinic) ?? [], ledgers.get(kept.clinic) ?? 0n, disputes.get(kept.clinic))
  }

  return {
    open,
    halted,
    see,
    grow,
    settle,
    fill,
    shrink: () => {
      for (const [clinic, log] of open) {
        if (open.size <= maxOpen) return
        if (log.published === log.edge.size && log.ahead === undefined) open.delete(clinic)
      }
    },
  }
}
