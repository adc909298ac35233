import type { MessageInitShape } from '@bufbuild/protobuf'
import { type RecordConcernRequestSchema, RecordConcernResponseSchema } from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import type { Outcome } from '../../exit-codes.ts'
import { subjectRef } from '../../input/parsers.ts'
import type { RecordingOptions } from '../../input/recording-options.ts'
import { entryText } from '../../output/describe.ts'
import { messageJson } from '../../output/message-json.ts'
import { change, needsOf, underOptions } from '../../request.ts'
import type { Session } from '../../session.ts'

const optionOfField = { recorded_by: '--by', text: '--text', raised_at: '--at', about_entry_id: '--about', concern_id: '<concern>' }

type Fields = Omit<MessageInitShape<typeof RecordConcernRequestSchema>, '$typeName' | 'requestId' | 'clinic' | 'recordedBy'>

/** Records a concern or an answer and says so. `what` begins the sentence. */
export const writeConcern = async (session: Session, options: RecordingOptions, what: string, fields: Fields): Promise<Outcome> => {
  const { audit } = await session.connect(needsOf(options, 'concern.record'))
  const answer = await change(session, options, (requestId) =>
    underOptions(optionOfField, () =>
      audit.recordConcern({ ...fields, requestId, clinic: options.clinic, recordedBy: subjectRef(options.by) }),
    ),
  )
  if (session.json) await session.print(`${JSON.stringify(messageJson(RecordConcernResponseSchema, answer))}\n`)
  else await session.print(`${what}${answer.replayed ? ' (a repeat)' : ''}: ${answer.entry?.id ?? ''}.\n  ${entryText(answer.entry)}\n`)
  return 'ok'
}
