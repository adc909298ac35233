import { ChartwardenError } from '../../../kernel/errors.ts'
import type { LogReader } from '../log-store.ts'
import type { OpenedCheckpoint } from './open-checkpoint.ts'
import { notPublished, type PublishedHead, type PublishedLog } from './published-log.ts'
import { createSharedPoll } from './shared-poll.ts'

export interface AwaitCheckpointOptions {
  readonly log: PublishedLog
  readonly reader: Pick<LogReader, 'published'>
  /** Nobody announces a cosignature: how often it is looked for, in milliseconds. Defaults to 500. */
  readonly witnessPollMs?: number
}

export interface WantedCheckpoint {
  readonly clinic: string
  /** The last entry it must cover. */
  readonly revision: bigint
  /** Whether the configured witnesses must have cosigned it as their policy asks. */
  readonly witnessed: boolean
  /** Aborts when nobody waits any more. */
  readonly signal: AbortSignal
}

/**
 * Waits until a checkpoint covers an entry that the ledger holds. However many wait for a clinic, one of them looks. Throws NOT_PUBLISHED as
 * soon as the log is halted, CALL_CANCELLED when the signal aborts, and what reading the log throws.
 */
export type AwaitCheckpoint = (wanted: WantedCheckpoint) => Promise<PublishedHead & { readonly checkpoint: OpenedCheckpoint }>

type Covering = Awaited<ReturnType<AwaitCheckpoint>>

const covers = (head: PublishedHead | undefined, revision: bigint): head is Covering =>
  head?.checkpoint !== undefined && revision < head.checkpoint.size

export const createAwaitCheckpoint = ({ log, reader, witnessPollMs = 500 }: AwaitCheckpointOptions): AwaitCheckpoint => {
  const poll = createSharedPoll({ look: log.witnessed, pollMs: witnessPollMs })

  /** The log of a clinic that was registered a moment ago is there with its first entries. */
  const newestSoon = async (clinic: string): Promise<PublishedHead | undefined> => {
    try {
      return await log.newest(clinic)
    } catch (thrown) {
      if (thrown instanceof ChartwardenError && thrown.reason === 'NOT_PUBLISHED') return undefined
      throw thrown
    }
  }

  const untilCosigned = async ({ clinic, revision, signal }: WantedCheckpoint): Promise<Covering> => {
    let head = await log.witnessed(clinic)
    while (!covers(head, revision)) {
      if (head.log.halted !== undefined) throw notPublished(head.log)
      head = await poll(clinic, (found) => covers(found, revision) || found.log.halted !== undefined, signal)
    }
    return head
  }

  return async (wanted) => {
    const { clinic, revision, witnessed, signal } = wanted
    if (witnessed && !log.witnesses) throw new ChartwardenError('WITNESSES_OFF')
    try {
      for (;;) {
        signal.throwIfAborted()
        const head = await newestSoon(clinic)
        if (covers(head, revision)) return witnessed ? await untilCosigned(wanted) : head
        if (head?.log.halted !== undefined) throw notPublished(head.log)
        await reader.published(clinic, revision, signal)
      }
    } catch (thrown) {
      throw signal.aborted ? new ChartwardenError('CALL_CANCELLED') : thrown
    }
  }
}
