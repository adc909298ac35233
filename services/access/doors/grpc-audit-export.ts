import type { MessageInitShape } from '@bufbuild/protobuf'
import type { ExportEntriesRequest, ExportEntriesResponseSchema } from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { checkpointMessage } from '../../audit/log/doors/grpc-log-handlers.ts'
import { isRecipient } from '../../audit/vault/key-transfer.ts'
import type { CallContext } from '../../kernel/caller.ts'
import type { Randomness } from '../../kernel/ids.ts'
import type { ExportEntries, ExportItem, ExportRequest } from '../export-entries.ts'
import { timestampOf } from './answers.ts'
import { createFields, maxIdLength } from './fields.ts'
import { entryMessage } from './grpc-audit-service.ts'

export interface ExportDoorOptions {
  readonly exportEntries: ExportEntries
  readonly randomness: Randomness
}

type Response = MessageInitShape<typeof ExportEntriesResponseSchema>

/** Characters of a recipient; those with post-quantum keys are the longest. */
const maxRecipientLength = 4_096

const requestOf = (request: ExportEntriesRequest, randomness: Randomness): ExportRequest => {
  const fields = createFields(randomness)
  const from = fields.moment('from', request.from)
  const until = fields.moment('until', request.until)
  const subject = request.subject === undefined ? undefined : fields.subject('subject', request.subject)
  const { keysFor } = request
  if (from !== undefined && until !== undefined && until <= from) fields.fault('until', 'must be later than from')
  if (keysFor !== '') {
    if (keysFor.length > maxRecipientLength || !isRecipient(keysFor)) fields.fault('keys_for', 'is not an age recipient (age1…)')
    const selects = request.patientId !== '' || subject !== undefined || from !== undefined || until !== undefined
    if (selects) fields.fault('keys_for', 'goes with a whole ledger only; leave patient_id, subject, from and until out')
  }
  const read = {
    clinic: fields.clinic('clinic', request.clinic),
    onBehalfOf: fields.person('on_behalf_of', request.onBehalfOf),
    patientId: fields.text('patient_id', request.patientId, { min: 0, max: maxIdLength }),
    subject,
    from,
    until,
    keysFor,
  }
  fields.check()
  return read
}

const responseOf = (item: ExportItem): Response => {
  switch (item.kind) {
    case 'head': {
      const { verifierKeys, whole, named } = item
      const pseudonyms = { patientPseudonym: named.patient ?? '', subjectPseudonym: named.subject ?? '' }
      const value = { checkpoint: checkpointMessage(item.checkpoint), verifierKeys: [...verifierKeys], whole, ...pseudonyms }
      return { item: { case: 'head', value } }
    }
    case 'entry': {
      const { entry, hashes, names } = item
      const value = { entry: entryMessage(item), hashes: [...hashes], recordedAt: timestampOf(entry.recordedAt), names: [...names] }
      return { item: { case: 'entry', value } }
    }
    case 'keys':
      return { item: { case: 'keys', value: item.bytes } }
  }
}

/** Handler of ExportEntries. */
export const exportHandler = ({ exportEntries, randomness }: ExportDoorOptions) => ({
  async *exportEntries(request: ExportEntriesRequest, context: CallContext): AsyncGenerator<Response> {
    const items = exportEntries(context, requestOf(request, randomness))
    let count = 0n
    for (;;) {
      const step = await items.next()
      if (step.done === true) {
        yield { item: { case: 'end', value: { items: count, completeToRevision: step.value.completeTo } } }
        return
      }
      if (step.value.kind === 'entry') count += 1n
      yield responseOf(step.value)
    }
  },
})
