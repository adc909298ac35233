/**
 * Has new heads cosigned by the witnesses of the policy, beside the active sealer and never in its way: a head is published before a witness
 * hears of it, and whatever a witness does, decisions, signing and publication go on. In a round every witness is shown the same heads, so
 * that their cosignatures meet under one checkpoint.
 */
import type { Clock } from '../../kernel/clock.ts'
import type { Logger } from '../../kernel/logging.ts'
import { pause } from '../../kernel/pause.ts'
import { systemLedger } from '../ledger.ts'
import { type AskedWitness, createAskedWitness, type WitnessTarget } from './asked-witness.ts'
import { verifyCosignature } from './cosignature.ts'
import type { KeptLog, LogReader, LogWriter } from './log-store.ts'
import { parseNote, parseSignature } from './note.ts'
import { tellOutcome } from './tell-witness-outcome.ts'
import { createWitnessClient, type WitnessClient } from './witness-client.ts'
import { isSatisfied, type PolicyWitness, type WitnessPolicy } from './witness-policy.ts'
import type { SubmissionOutcome } from './witness-submission.ts'

/** How a request to a witness can end, for metrics. */
export const submissionOutcomes = [
  'cosigned',
  'ahead',
  'disagrees',
  'superseded',
  'unproven',
  'refused',
  'unavailable',
  'nonsense',
] as const satisfies readonly SubmissionOutcome['kind'][]

export interface WitnessRoundsOptions {
  readonly policy: WitnessPolicy
  readonly writer: Pick<LogWriter, 'page' | 'addCosignatures'>
  readonly reader: Pick<LogReader, 'checkpoint' | 'tiles'>
  /** Whether this process is the one that signs; the others leave the witnesses alone. */
  readonly active: () => boolean
  /** Between two rounds, milliseconds. */
  readonly intervalMs: number
  readonly clock: Clock
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Told of every request. Must not throw. */
  readonly onOutcome?: ((outcome: SubmissionOutcome['kind']) => void) | undefined
  /** Defaults to the protocol over HTTP. */
  readonly clientOf?: (witness: PolicyWitness & { readonly url: string }) => WitnessClient
}

/** How the witnesses stand, as this process has seen. */
export interface WitnessStanding {
  readonly active: boolean
  readonly witnesses: readonly {
    readonly name: string
    readonly answering: boolean | undefined
    readonly disputes: number
    readonly refused: number
  }[]
  /** For how long the head that has waited longest for its quorum has waited; 0: none waits. */
  readonly quorumWaitSeconds: number
}

export interface WitnessRounds {
  /** Returns at once. */
  start(): void
  /** Gives up what is under way. */
  stop(): Promise<void>
  /** One round now. For tests. */
  round(): Promise<void>
  standing(): WitnessStanding
}

/** Requests to one witness at a time. */
const perWitness = 4
/** A round is over by then, whoever is slow; the rest comes in the next. */
const longestRoundMs = 30_000
const longestPauseMs = 300_000
const pageSize = 500

/** A head of a round: loaded when the first witness gets to it, and the same for all. */
interface RoundHead {
  readonly clinic: string
  readonly origin: string
  readonly size: bigint
  load(): Promise<{ readonly target: WitnessTarget; readonly cosigners: Set<string> } | undefined>
}

const keyOf = ({ origin, size }: { readonly origin: string; readonly size: bigint }): string => `${origin} ${size}`

const once = <T>(work: () => Promise<T>): (() => Promise<T>) => {
  let running: Promise<T> | undefined
  return () => {
    running ??= work()
    return running
  }
}

export const createWitnessRounds = (options: WitnessRoundsOptions): WitnessRounds => {
  const { policy, writer, reader, active, intervalMs, clock, logger, onOutcome, clientOf = createWitnessClient } = options
  const asked = policy.witnesses.flatMap((witness) => {
    const { url } = witness
    if (url === undefined) return []
    return [createAskedWitness({ witness, client: clientOf({ ...witness, url }), clock, firstPauseMs: intervalMs, longestPauseMs })]
  })
  /** Where each witness goes on when a round was too short for all logs. */
  const cursors = new Map<AskedWitness, string>()
  /** The heads that have their quorum, and since when others wait for theirs, by clinic. */
  const quorate = new Map<string, string>()
  const waiting = new Map<string, number>()
  let stopping = new AbortController()
  let working: Promise<void> | undefined
  let failed = false

  const load = async ({ clinic, origin, generation }: KeptLog): ReturnType<RoundHead['load']> => {
    const found = await reader.checkpoint(clinic)
    const text = found === undefined ? undefined : parseNote(found.checkpoint.note)?.text
    if (found === undefined || text === undefined || !text.startsWith(`${origin}\n`)) return undefined
    const { size, root, note } = found.checkpoint
    const signatures = found.cosignatures.map(({ line }) => parseSignature(line))
    const cosigners = policy.witnesses.filter(({ key }) =>
      signatures.some((signature) => signature !== undefined && verifyCosignature(text, signature, key)),
    )
    return {
      target: {
        clinic,
        origin,
        size,
        root,
        note,
        tiles: { tiles: (ids) => reader.tiles(clinic, ids, generation) },
        newest: async () => (await reader.checkpoint(clinic))?.checkpoint.size ?? 0n,
      },
      cosigners: new Set(cosigners.map(({ name }) => name)),
    }
  }

  const headsNow = async (): Promise<readonly RoundHead[]> => {
    const heads: RoundHead[] = []
    let after = ''
    while (true) {
      const page = await writer.page(after, pageSize)
      for (const log of page) {
        // What belongs to no clinic is not for others to watch: nobody outside has the key of its log.
        if (log.published === undefined || log.clinic === systemLedger) continue
        heads.push({ clinic: log.clinic, origin: log.origin, size: log.published.size, load: once(() => load(log)) })
      }
      const last = page.at(-1)
      if (last === undefined || page.length < pageSize) return heads
      after = last.clinic
    }
  }

  const show = async (to: AskedWitness, head: RoundHead, signal: AbortSignal): Promise<void> => {
    const loaded = await head.load()
    if (loaded === undefined) return
    const { target, cosigners } = loaded
    const { name } = to.witness
    if (cosigners.has(name)) to.remember(target)
    else {
      const answer = await to.ask(target, signal)
      if (signal.aborted) return
      const { outcome } = answer
      onOutcome?.(outcome.kind)
      tellOutcome(logger, { ...answer, witness: name, target })
      if (outcome.kind !== 'cosigned') return
      await writer.addCosignatures([{ clinic: target.clinic, size: target.size, witness: to.witness.key.name, line: outcome.line }])
      cosigners.add(name)
    }
    if (!isSatisfied(policy, cosigners)) return
    quorate.set(target.clinic, keyOf(target))
    waiting.delete(target.clinic)
  }

  /** Shows one witness the heads, a few at a time, beginning where the last round ended. */
  const visit = async (to: AskedWitness, heads: readonly RoundHead[], signal: AbortSignal): Promise<void> => {
    const cursor = cursors.get(to) ?? ''
    const first = Math.max(
      0,
      heads.findIndex(({ clinic }) => clinic > cursor),
    )
    const queue = [...heads.slice(first), ...heads.slice(0, first)].values()
    const work = async (): Promise<void> => {
      for (const head of queue) {
        if (signal.aborted || !to.available()) return
        if (to.due(head)) await show(to, head, signal)
        cursors.set(to, head.clinic)
      }
    }
    const results = await Promise.allSettled(Array.from({ length: perWitness }, work))
    const fault = results.find((result) => result.status === 'rejected')
    if (fault !== undefined) throw fault.reason
  }

  const note = (heads: readonly RoundHead[]): void => {
    for (const head of heads) {
      if (policy.quorum === 'none' || quorate.get(head.clinic) === keyOf(head) || waiting.has(head.clinic)) continue
      waiting.set(head.clinic, clock.monotonic())
    }
  }

  const round = async (): Promise<void> => {
    const heads = await headsNow()
    note(heads)
    const timeUp = new AbortController()
    const timer = setTimeout(() => timeUp.abort(), longestRoundMs)
    timer.unref()
    try {
      const signal = AbortSignal.any([stopping.signal, timeUp.signal])
      const visits = await Promise.allSettled(asked.map((to) => visit(to, heads, signal)))
      const fault = visits.find((result) => result.status === 'rejected')
      if (fault !== undefined) throw fault.reason
    } finally {
      clearTimeout(timer)
    }
  }

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      if (active()) {
        try {
          await round()
          failed = false
        } catch (err) {
          if (!stopping.signal.aborted && !failed)
            logger.warn({ event: 'witness.round_failed', err }, 'the witnesses could not be asked; it is tried again')
          failed = true
        }
      } else waiting.clear()
      await pause(intervalMs, stopping.signal)
    }
  }

  return {
    start: () => {
      if (working !== undefined) return
      stopping = new AbortController()
      working = run()
    },
    stop: async () => {
      stopping.abort()
      await working
      working = undefined
    },
    round,
    standing: () => ({
      active: active(),
      witnesses: asked.map((to) => ({ name: to.witness.name, answering: to.answering(), disputes: to.disputes(), refused: to.refused() })),
      quorumWaitSeconds: Math.max(0, ...[...waiting.values()].map((since) => (clock.monotonic() - since) / 1_000)),
    }),
  }
}
