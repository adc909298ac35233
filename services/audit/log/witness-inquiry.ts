/**
 * Asks the witnesses of the policy, before anything more is signed of a log, whether they have seen more of it than there is. A database that
 * was put back together with its signer store agrees with it and still is an older one: only somebody outside can know that. The question is
 * the newest published checkpoint, submitted once more. Nobody is waited for: who does not answer in time has said nothing.
 */
import type { Clock } from '../../kernel/clock.ts'
import { systemLedger } from '../ledger.ts'
import type { LogReader } from './log-store.ts'
import { parseNote } from './note.ts'
import { createWitnessClient, type WitnessClient } from './witness-client.ts'
import type { PolicyWitness, WitnessPolicy } from './witness-policy.ts'
import { submitHead } from './witness-submission.ts'

/** A log that is about to be signed on. */
export interface InquiredLog {
  readonly clinic: string
  readonly origin: string
  readonly generation: number
  /** Entries in the newest head that the signer store knows. */
  readonly signed: bigint
}

/** What a witness says against a log. */
export interface WitnessDispute {
  /** Name in the policy. */
  readonly witness: string
  /** `ahead`: it has cosigned more than was signed here. `disagrees`: it has cosigned another history. */
  readonly kind: 'ahead' | 'disagrees'
  /** Entries in what it cosigned. */
  readonly size: bigint
}

/** Disputes by clinic; those of logs that nobody disputes are left out. Rejects only where our own store cannot be read. */
export type WitnessInquiry = (logs: readonly InquiredLog[], signal: AbortSignal) => Promise<ReadonlyMap<string, WitnessDispute>>

export interface WitnessInquiryOptions {
  readonly policy: Pick<WitnessPolicy, 'witnesses'>
  readonly reader: Pick<LogReader, 'checkpoint' | 'tiles'>
  readonly clock: Clock
  /** For all logs asked about together, milliseconds. Defaults to 2,000. */
  readonly timeoutMs?: number
  /** Defaults to the protocol over HTTP. */
  readonly clientOf?: (witness: PolicyWitness & { readonly url: string }) => WitnessClient
}

/** Requests to one witness at a time. */
const perWitness = 16

/** A witness that did not answer is left alone for so long. */
const restMs = 30_000

export const createWitnessInquiry = (options: WitnessInquiryOptions): WitnessInquiry => {
  const { policy, reader, clock, timeoutMs = 2_000, clientOf = createWitnessClient } = options
  const witnesses = policy.witnesses.flatMap(({ url, ...witness }) =>
    url === undefined ? [] : [{ name: witness.name, client: clientOf({ ...witness, url }) }],
  )
  const silentUntil = new Map<string, number>()

  const dispute = async (
    { name, client }: (typeof witnesses)[number],
    { clinic, origin, generation, signed }: InquiredLog,
    signal: AbortSignal,
  ): Promise<WitnessDispute | undefined> => {
    const found = await reader.checkpoint(clinic)
    if (found === undefined || parseNote(found.checkpoint.note)?.text.startsWith(`${origin}\n`) !== true) return undefined
    const { checkpoint: head } = found
    const outcome = await submitHead({
      client,
      head,
      oldSize: head.size,
      tiles: { tiles: (ids) => reader.tiles(clinic, ids, generation) },
      // What was signed and not published yet may have reached it: that is none the less ours.
      newest: async () => (signed > head.size ? signed : head.size),
      signal,
    })
    if (outcome.kind === 'unavailable') silentUntil.set(name, clock.monotonic() + restMs)
    return outcome.kind === 'ahead' || outcome.kind === 'disagrees' ? { witness: name, kind: outcome.kind, size: outcome.size } : undefined
  }

  return async (logs, signal) => {
    const disputes = new Map<string, WitnessDispute>()
    const watched = logs.filter(({ clinic }) => clinic !== systemLedger)
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    const ask = async (witness: (typeof witnesses)[number], queue: Iterator<InquiredLog>): Promise<void> => {
      for (let next = queue.next(); next.done !== true; next = queue.next()) {
        if (inTime.aborted || clock.monotonic() < (silentUntil.get(witness.name) ?? Number.NEGATIVE_INFINITY)) return
        const found = await dispute(witness, next.value, inTime)
        const known = disputes.get(next.value.clinic)
        if (found !== undefined && (known === undefined || found.size > known.size)) disputes.set(next.value.clinic, found)
      }
    }
    await Promise.all(
      witnesses.map(async (witness) => {
        const queue = watched.values()
        await Promise.all(Array.from({ length: perWitness }, () => ask(witness, queue)))
      }),
    )
    return disputes
  }
}
