import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import {
  type AwaitReceiptRequest,
  CheckpointSchema,
  type ProveInclusionRequest,
} from '../../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import type { CallContext } from '../../../kernel/caller.ts'
import { ChartwardenError, invalidField } from '../../../kernel/errors.ts'
import { isUuid } from '../../../kernel/ids.ts'
import { entryRefOf } from '../../entry-ref.ts'
import type { Ledger } from '../../ledger.ts'
import { formatVerifierKey } from '../note.ts'
import type { AwaitCheckpoint } from '../serve/await-checkpoint.ts'
import type { FindEntry } from '../serve/find-entries.ts'
import type { OpenedCheckpoint } from '../serve/open-checkpoint.ts'
import type { Prover } from '../serve/prove.ts'
import { notPublished, type PublishedHead, type PublishedLog, treeOf } from '../serve/published-log.ts'
import { formatTlogProof } from '../tlog-proof.ts'
import { leafHash } from '../tree-hash.ts'
import type { LogHandlers } from './log-handlers.ts'

export interface LogDoorOptions {
  readonly log: PublishedLog
  readonly prover: Prover
  readonly findEntry: FindEntry
  readonly awaitCheckpoint: AwaitCheckpoint
  readonly ledger: Pick<Ledger, 'head'>
  /** Entries in the newest head that was signed for the clinic; undefined: it is not known here. */
  readonly signed: (clinic: string) => Promise<bigint | undefined>
  /** Told when a checkpoint or receipt is given out. */
  readonly handOut: () => void
}

/** A checkpoint as the contract says it. */
export const checkpointMessage = ({
  note,
  size,
  root,
  publishedAt,
  witnesses,
  quorum,
}: OpenedCheckpoint): MessageInitShape<typeof CheckpointSchema> =>
  create(CheckpointSchema, { note, size, rootHash: root, publishedAt: timestampFromMs(publishedAt), witnesses: [...witnesses], quorum })

/** Keys that signed these, each once: whoever verifies them needs no other. */
const verifierKeys = (...checkpoints: readonly (OpenedCheckpoint | undefined)[]): string[] => [
  ...new Set(checkpoints.flatMap((checkpoint) => checkpoint?.signedBy ?? []).map(formatVerifierKey)),
]

/** The entry that a request names. Throws INVALID_ARGUMENT naming the field. */
const keyOf = ({ key }: Pick<ProveInclusionRequest | AwaitReceiptRequest, 'key'>): string | bigint => {
  if (key.case === undefined) throw invalidField('key', 'is required: an id or a revision')
  if (key.case === 'revision') return key.value
  const id = key.value.toLowerCase()
  if (!isUuid(id)) throw invalidField('id', 'must be a UUID')
  return id
}

/** Waits until the caller goes away, the deadline passes or the service begins to stop. Throws SHUTTING_DOWN for the last. */
const whileWanted = async <Result>({ signal, draining }: CallContext, wait: (signal: AbortSignal) => Promise<Result>): Promise<Result> => {
  if (draining === undefined) return wait(signal)
  try {
    return await wait(AbortSignal.any([signal, draining]))
  } catch (thrown) {
    throw draining.aborted && !signal.aborted ? new ChartwardenError('SHUTTING_DOWN', { cause: thrown }) : thrown
  }
}

type Published = PublishedHead & { readonly checkpoint: OpenedCheckpoint }

/** Handlers of chartwarden.audit.v1.AuditService that answer from the published log. */
export const logHandlers = (options: LogDoorOptions): Omit<LogHandlers, 'checkLedger'> => {
  const { log, prover, findEntry, awaitCheckpoint, ledger, signed, handOut } = options

  const published = async (clinic: string): Promise<Published> => {
    const head = await log.newest(clinic)
    if (head.checkpoint === undefined) throw notPublished(head.log)
    return { log: head.log, checkpoint: head.checkpoint }
  }

  return {
    getCheckpoint: async ({ clinic }) => {
      const head = await published(clinic)
      const witnessed = log.witnesses ? (await log.witnessed(clinic)).checkpoint : undefined
      const last = await ledger.head(clinic)
      handOut()
      return {
        checkpoint: checkpointMessage(head.checkpoint),
        ...(witnessed === undefined ? {} : { witnessed: checkpointMessage(witnessed) }),
        verifierKeys: verifierKeys(head.checkpoint, witnessed),
        sequenced: (last?.revision ?? -1n) + 1n,
        integrated: head.log.size,
        ...(head.log.halted === undefined ? {} : { halted: head.log.halted, signed: (await signed(clinic)) ?? 0n }),
      }
    },

    proveInclusion: async (request) => {
      const { clinic, treeSize } = request
      const key = keyOf(request)
      const head = await published(clinic)
      const tree = treeOf(head.log, head.checkpoint)
      const size = treeSize ?? tree.size
      if (size > tree.size) throw new ChartwardenError('TREE_SIZE_UNKNOWN')
      const { revision, bytes } = await findEntry(clinic, key)
      if (revision >= size)
        throw treeSize === undefined ? notPublished(head.log) : invalidField('tree_size', 'that tree ends before the entry')
      const leaf = leafHash(bytes)
      const { hashes, root } = await prover.inclusion(tree, revision, leaf, size)
      return { leafIndex: revision, treeSize: size, leafHash: leaf, hashes: [...hashes], rootHash: root }
    },

    proveConsistency: async ({ clinic, firstSize, secondSize }) => {
      if (firstSize < 1n) throw invalidField('first_size', 'must be at least 1: everything continues an empty tree')
      if (secondSize !== undefined && secondSize < firstSize) throw invalidField('second_size', 'is smaller than first_size')
      const head = await published(clinic)
      const tree = treeOf(head.log, head.checkpoint)
      const second = secondSize ?? tree.size
      if (firstSize > tree.size || second > tree.size) throw new ChartwardenError('TREE_SIZE_UNKNOWN')
      const { hashes, firstRoot, secondRoot } = await prover.consistency(tree, firstSize, second)
      return { firstSize, secondSize: second, hashes: [...hashes], firstRootHash: firstRoot, secondRootHash: secondRoot }
    },

    awaitReceipt: async (request, context) => {
      const { clinic, witnessed } = request
      const entry = await findEntry(clinic, keyOf(request))
      const { revision } = entry
      const head = await whileWanted(context, (signal) => awaitCheckpoint({ clinic, revision, witnessed, signal }))
      const { checkpoint } = head
      const tree = treeOf(head.log, checkpoint)
      const { hashes } = await prover.inclusion(tree, revision, leafHash(entry.bytes), tree.size)
      handOut()
      return {
        receipt: formatTlogProof({ index: revision, hashes, checkpoint: checkpoint.note }),
        entry: entryRefOf(entry),
        treeSize: tree.size,
        verifierKeys: verifierKeys(checkpoint),
      }
    },
  }
}
