/**
 * A witness (C2SP tlog-witness v1.0.0): remembers the head of each log it watches, and says by its cosignature that a new one continues what
 * it has seen. It needs no trust in the log, the network or whoever calls: anybody may submit what a log has signed.
 */
import type { Clock } from '../../../kernel/clock.ts'
import { signCosignature } from '../cosignature.ts'
import { formatNote, formatSignature, type VerifierKey, verifyNote } from '../note.ts'
import { parseAddCheckpoint, type ReceivedCheckpoint } from './add-checkpoint.ts'
import { judge, type Verdict } from './judge.ts'
import type { WitnessKey } from './witness-key.ts'
import { originHash, type WitnessRecord, type WitnessRecords } from './witness-records.ts'

export type WitnessAnswer =
  /** `line`: the signature line with its line feed. */
  { readonly kind: 'cosigned'; readonly line: string } | { readonly kind: 'malformed' } | Exclude<Verdict, { readonly kind: 'cosign' }>

/** What somebody who runs a witness may want to hear. */
export interface WitnessEvent {
  readonly answer: WitnessAnswer['kind']
  /** Absent: the request named none that is watched. */
  readonly origin?: string
  /** Of the checkpoint submitted. */
  readonly size?: bigint
  /** Of the checkpoint cosigned last before it. */
  readonly lastSize?: bigint
  /** Where the proof of a fork is kept. */
  readonly evidence?: string
}

export interface WitnessOptions {
  /** Keys that sign for each log, by origin. */
  readonly logs: ReadonlyMap<string, readonly VerifierKey[]>
  readonly key: WitnessKey
  readonly records: Pick<WitnessRecords, 'read' | 'write' | 'keepFork'>
  readonly clock: Clock
  /** Told of every answer. Must not throw. */
  readonly onAnswer?: (event: WitnessEvent) => void
  /** Stands for the judgement. For tests: one that lets pass what it must not, which they must notice. */
  readonly decide?: typeof judge
}

export interface Witness {
  /** Answers the body of a request. What it answers `cosigned` is on the disk. Rejects when that fails; then nothing was cosigned. */
  addCheckpoint(body: Uint8Array): Promise<WitnessAnswer>
  /** The checkpoint cosigned last, by the hash of its origin. */
  checkpoint(originHash: string): string | undefined
  /** Every log that it has cosigned for. */
  records(): readonly WitnessRecord[]
}

export const createWitness = async (options: WitnessOptions): Promise<Witness> => {
  const { logs, key, records, clock, onAnswer, decide = judge } = options
  const last = new Map((await records.read()).map((record) => [record.origin, record] as const))
  const byHash = new Map([...last.keys()].map((origin) => [originHash(origin), origin] as const))
  /** Ends when every earlier request of the log was answered: what is judged must be written before the next is judged. */
  const turns = new Map<string, Promise<unknown>>()

  const cosign = async ({ note, text, checkpoint }: ReceivedCheckpoint): Promise<WitnessAnswer> => {
    const { origin, size, root } = checkpoint
    const cosignedAt = BigInt(Math.floor(clock.wall() / 1_000))
    const cosignature = signCosignature(text, key.name, key.privateKey, cosignedAt)
    // Lines of others prove nothing here, and one under our own name would make the record unreadable.
    const verified = verifyNote(note, logs.get(origin) ?? [])
    const signatures = verified.kind === 'verified' ? verified.signatures : []
    const kept = formatNote(text, [...new Map(signatures.map((line) => [formatSignature(line), line])).values(), cosignature])
    await records.write({ origin, note: kept })
    last.set(origin, { origin, head: { size, root }, cosignedAt, note: kept })
    byHash.set(originHash(origin), origin)
    return { kind: 'cosigned', line: `${formatSignature(cosignature)}\n` }
  }

  const answer = async (request: ReceivedCheckpoint): Promise<WitnessAnswer> => {
    const { origin, size } = request.checkpoint
    const before = last.get(origin)?.head
    const verdict = decide({ request, keys: logs.get(origin), last: before })
    const evidence = verdict.kind === 'fork' ? await records.keepFork(origin, request.note) : undefined
    const answered = verdict.kind === 'cosign' ? await cosign(request) : verdict
    onAnswer?.({
      answer: answered.kind,
      ...(logs.has(origin) ? { origin, size } : {}),
      ...(before === undefined ? {} : { lastSize: before.size }),
      ...(evidence === undefined ? {} : { evidence }),
    })
    return answered
  }

  return {
    addCheckpoint: async (body) => {
      const request = parseAddCheckpoint(body)
      if (request === undefined) {
        onAnswer?.({ answer: 'malformed' })
        return { kind: 'malformed' }
      }
      const { origin } = request.checkpoint
      if (!logs.has(origin)) return answer(request)
      const turn = (turns.get(origin) ?? Promise.resolve()).then(() => answer(request))
      turns.set(
        origin,
        turn.catch(() => undefined),
      )
      return turn
    },
    checkpoint: (hash) => last.get(byHash.get(hash) ?? '')?.note,
    records: () => [...last.values()],
  }
}
