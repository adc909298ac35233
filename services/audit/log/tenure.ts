/**
 * The work of the sealer while it holds the lock and the right to sign: entries into tiles, then what was integrated under a signature.
 * The order is what makes every moment of it safe to be killed in: tiles, then the record of what is about to be signed, then the signature,
 * then its publication. Whoever comes next finds tiles without a checkpoint, or a record without one, and goes on from there.
 */
import type { Clock } from '../../kernel/clock.ts'
import { pause } from '../../kernel/pause.ts'
import type { LeafBatch, LeafFeed, Position } from '../ledger.ts'
import { formatCheckpoint } from './checkpoint.ts'
import { createLogBook, type Growth, type LogBookOptions, Superseded } from './log-book.ts'
import type { LogKey, LogKeys } from './log-keys.ts'
import type { NewCheckpoint } from './log-store.ts'
import { formatNote } from './note.ts'
import type { OpenLog } from './open-log.ts'
import type { Advance, SignerRecord, SignerSession, SignerStore } from './signer-store.ts'
import { standingsOf } from './standing.ts'
import { edgeRoot } from './tree-edge.ts'
import type { WitnessInquiry } from './witness-inquiry.ts'

/** Told of what the sealer does; must not throw. */
export interface SealerObserver {
  integrated(entries: number): void
  /** One round of publishing: checkpoints, how long it took, and how long each one's oldest entry had waited; milliseconds. */
  published(checkpoints: number, durationMs: number, waitedMs: readonly number[]): void
}

export interface TenureOptions
  extends Pick<LogBookOptions, 'writer' | 'entries' | 'announceRestart' | 'onHalt' | 'onMended' | 'maxOpen' | 'most'> {
  readonly session: SignerSession
  readonly store: Pick<SignerStore, 'read'>
  readonly feed: LeafFeed
  readonly keys: LogKeys
  /** What the origins begin with. */
  readonly base: string
  readonly clock: Clock
  readonly publishIntervalMs: number
  /** The epoch is not above the one that the database knows: the store is another one than before, or an older copy of it. */
  readonly onOtherStore: (before: bigint) => void
  /** Milliseconds between two looks at logs that are halted. */
  readonly recheckMs: number
  readonly observer: SealerObserver | undefined
  /** Undefined: there are no witnesses to ask. */
  readonly inquire: WitnessInquiry | undefined
  /** Ends the work; what is under way is finished. */
  readonly signal: AbortSignal
}

/** `claim_again`: the signer store says something new, or somebody else has claimed it. */
export type TenureEnd = 'stopped' | 'claim_again'

/** Logs looked at together. */
const pageOfLogs = 200
/** Checkpoints in one record of the signer store and one transaction. */
const roundOfLogs = 256
/** Signatures made without a pause: decisions wait for no more than that. */
const signaturesAtOnce = 16
const tidyMs = 30_000

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const chunksOf = <Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, chunk) => items.slice(chunk * size, (chunk + 1) * size))

/** What an operator may have changed in the store. */
const wordsOf = (records: readonly SignerRecord[]): string =>
  records
    .map(({ origin, size, root, retired }) => `${origin} ${size} ${Buffer.from(root).toString('hex')} ${retired?.cause ?? ''}`)
    .sort()
    .join('\n')

export const workTenure = async (options: TenureOptions): Promise<TenureEnd> => {
  const { writer, session, store, feed, keys, clock, publishIntervalMs, recheckMs, observer, inquire, onOtherStore, most, signal } = options
  const { epoch } = session
  const { clinics, standing } = standingsOf(session.records(), options.base)
  const book = createLogBook({
    ...options,
    epoch,
    standing,
    disputesOf: async (logs) => (logs.length === 0 ? undefined : await inquire?.(logs, signal)) ?? new Map(),
    leafHashes: (clinic, from, count) => feed.leafHashes(clinic, from, count),
    onIntegrated: (entries) => observer?.integrated(entries),
  })
  const published = new Set<string>()
  let lastPublished = Number.NEGATIVE_INFINITY
  let lastTidied = clock.monotonic()
  let lastChecked = clock.monotonic()

  const seeAll = async (): Promise<void> => {
    let after = ''
    while (!signal.aborted) {
      const page = await writer.page(after, pageOfLogs)
      if (page.length === 0) break
      await book.see(page.map(({ clinic }) => clinic))
      await publishDue()
      book.shrink()
      after = page.at(-1)?.clinic ?? after
    }
    for (const chunk of chunksOf(clinics, pageOfLogs)) await book.see(chunk)
  }

  const integrate = async ({ runs, position }: LeafBatch): Promise<void> => {
    for (const chunk of chunksOf(runs, pageOfLogs)) await book.see(chunk.map(({ clinic }) => clinic))
    const growths: Growth[] = []
    for (const { clinic, first, hashes, recordedAt } of runs) {
      const log = book.open.get(clinic)
      if (log === undefined) continue
      if (log.edge.size < first) await book.fill(log, first)
      const growth = log.edge.size < first ? undefined : await book.grow(log, first, hashes)
      if (growth === undefined) continue
      log.oldest ??= recordedAt
      growths.push(growth)
    }
    if (
      !(await writer.integrate(
        epoch,
        growths.map(({ integration }) => integration),
        position,
      ))
    )
      throw new Superseded()
    for (const growth of growths) book.settle(growth)
  }

  const signed = async (logs: readonly { readonly log: OpenLog; readonly root: Buffer; readonly by: readonly LogKey[] }[]) => {
    const checkpoints: NewCheckpoint[] = []
    for (const [place, { log, root, by }] of logs.entries()) {
      if (place % signaturesAtOnce === signaturesAtOnce - 1) await turn()
      const { clinic, origin, edge } = log
      const text = formatCheckpoint({ origin, size: edge.size, root, extensions: [] })
      checkpoints.push({
        clinic,
        size: edge.size,
        root,
        note: formatNote(
          text,
          by.map((key) => key.sign(text, origin)),
        ),
      })
    }
    return checkpoints
  }

  const publish = async (due: readonly OpenLog[]): Promise<void> => {
    const began = clock.monotonic()
    const signers = await keys.currentOf(due.map(({ clinic }) => clinic))
    const withKeys = due.map((log) => ({ log, root: edgeRoot(log.edge), by: signers.get(log.clinic) ?? [] }))
    // A ledger whose clinic has no keys here cannot be signed; it is integrated all the same.
    const able = withKeys.filter(({ by }) => by.length > 0)
    if (able.length === 0) return
    // Also for what is recorded already and was not published: the store says whether this session may still sign.
    const advances = able.map(
      ({ log: { origin, edge }, root }): Advance => ({ from: session.record(origin), to: { origin, size: edge.size, root } }),
    )
    if ((await session.advance(advances)).kind !== 'recorded') throw new Superseded()
    const checkpoints = await signed(able)
    const now = await writer.publish(epoch, checkpoints)
    if (now === undefined) throw new Superseded()
    const waited: number[] = []
    for (const { log } of able) {
      if (log.oldest !== undefined) waited.push(Math.max(0, now - log.oldest))
      log.published = log.edge.size
      log.oldest = undefined
      published.add(log.clinic)
    }
    observer?.published(checkpoints.length, clock.monotonic() - began, waited)
  }

  const isDue = ({ ahead, edge, published }: OpenLog): boolean => ahead === undefined && edge.size > published

  const publishDue = async (): Promise<void> => {
    lastPublished = clock.monotonic()
    const due = [...book.open.values()].filter(isDue)
    for (const round of chunksOf(due, roundOfLogs)) await publish(round)
  }

  /** Milliseconds for which a page is waited for: while something is to be published, no longer than until it is time for that. */
  const patience = (): number =>
    book.open.values().some(isDue) ? Math.min(recheckMs, Math.max(0, lastPublished + publishIntervalMs - clock.monotonic())) : recheckMs

  const tidy = async (): Promise<void> => {
    if (clock.monotonic() - lastTidied < tidyMs) return
    lastTidied = clock.monotonic()
    await writer.tidy([...published])
    published.clear()
  }

  /** Whether the store is to be claimed again. */
  const recheck = async (): Promise<boolean> => {
    if (clock.monotonic() - lastChecked < recheckMs) return false
    lastChecked = clock.monotonic()
    if (book.halted.size === 0) return false
    if (wordsOf(await store.read()) !== wordsOf(session.records())) return true
    await book.see([...book.halted.keys()], true)
    return false
  }

  const work = async (position: Position | undefined): Promise<TenureEnd> => {
    const over = new AbortController()
    const pages = feed.leaves(position, most, AbortSignal.any([signal, over.signal]))[Symbol.asyncIterator]()
    const ask = () => {
      const asked = pages.next()
      asked.catch(() => {})
      return asked
    }
    try {
      let next = ask()
      while (!signal.aborted) {
        const waited = new AbortController()
        const page = await Promise.race([next, pause(patience(), AbortSignal.any([signal, waited.signal]))])
        waited.abort()
        if (page?.done === true) break
        if (page !== undefined) {
          const behind = page.value.entries >= most
          // The next page is read while this one is written.
          if (behind) next = ask()
          await integrate(page.value)
          if (!behind || clock.monotonic() - lastPublished >= 2 * publishIntervalMs) await publishDue()
          if (!behind) {
            await pause(Math.max(0, lastPublished + publishIntervalMs - clock.monotonic()), signal)
            next = ask()
          }
        } else if (clock.monotonic() - lastPublished >= publishIntervalMs) await publishDue()
        book.shrink()
        await tidy()
        if (await recheck()) return 'claim_again'
      }
      return 'stopped'
    } finally {
      over.abort()
    }
  }

  try {
    const { position, before } = await writer.begin(epoch)
    // Each claim of one store makes a higher epoch.
    if (before >= epoch) onOtherStore(before)
    await seeAll()
    return await work(position)
  } catch (thrown) {
    if (thrown instanceof Superseded) return 'claim_again'
    throw thrown
  }
}
