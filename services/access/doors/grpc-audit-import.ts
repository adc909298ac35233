import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  ImportHead,
  ImportLedgerRequest,
  ImportLedgerResponseSchema,
} from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { entryRefOf } from '../../audit/entry-ref.ts'
import type { CallContext } from '../../kernel/caller.ts'
import { invalidField } from '../../kernel/errors.ts'
import type { Randomness } from '../../kernel/ids.ts'
import type { AnnouncedLedger, ImportLedger, ImportPart } from '../import-ledger.ts'
import { createFields } from './fields.ts'

export interface ImportDoorOptions {
  readonly importLedger: ImportLedger
  readonly randomness: Randomness
  /** Origin of the log that a clinic has here; undefined: nothing is signed. */
  readonly originOf: ((clinic: string) => Promise<string>) | undefined
}

type Response = MessageInitShape<typeof ImportLedgerResponseSchema>

const maxOriginLength = 512

const announcedOf = (head: ImportHead, randomness: Randomness): AnnouncedLedger => {
  const fields = createFields(randomness)
  if (head.size < 1n || head.size > 2n ** 63n - 1n) fields.fault('head.size', 'must be at least 1')
  if (head.rootHash.length !== 32) fields.fault('head.root_hash', 'must have 32 bytes')
  const announced = {
    clinic: fields.clinic('head.clinic', head.clinic),
    size: head.size,
    root: head.rootHash,
    origin: fields.text('head.origin', head.origin, { max: maxOriginLength }),
  }
  fields.check()
  return announced
}

async function* partsOf(requests: AsyncIterator<ImportLedgerRequest>): AsyncGenerator<ImportPart, void, undefined> {
  for (let next = await requests.next(); next.done !== true; next = await requests.next()) {
    const { item } = next.value
    if (item.case === 'canonical') yield { kind: 'entry', bytes: item.value }
    else if (item.case === 'keys') yield { kind: 'keys', bytes: item.value }
    else throw invalidField('item', 'must be an entry or keys, once the head was sent')
  }
}

/** Handler of ImportLedger. */
export const importHandler = ({ importLedger, randomness, originOf }: ImportDoorOptions) => ({
  async *importLedger(requests: AsyncIterable<ImportLedgerRequest>, context: CallContext): AsyncGenerator<Response> {
    const iterator = requests[Symbol.asyncIterator]()
    const first = await iterator.next()
    if (first.done === true || first.value.item.case !== 'head') throw invalidField('head', 'is required first')
    const announced = announcedOf(first.value.item.value, randomness)
    const steps = importLedger(context, announced, partsOf(iterator))
    for (;;) {
      const step = await steps.next()
      if (step.done === true) {
        const { size, root, entry } = step.value
        const served =
          entry === undefined
            ? { served: false }
            : { served: true, entry: entryRefOf(entry), logOrigin: (await originOf?.(announced.clinic)) ?? '' }
        yield { item: { case: 'result', value: { size, rootHash: root, ...served } } }
        return
      }
      yield { item: { case: 'stored', value: step.value } }
    }
  },
})
