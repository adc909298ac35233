import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  ConcernAnswerSchema,
  ConcernRowSchema,
  ConcernsQuery as QueryMessage,
} from '../../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { ConcernKind, ConcernOutcome } from '../../../../proto/gen/chartwarden/types/v1/types_pb.js'
import { isUuid } from '../../../kernel/ids.ts'
import type { ConcernOutcome as Outcome } from '../../read-models/concerns.ts'
import { type ConcernAnswer, type ConcernRow, concerns } from '../../reports/concerns.ts'
import type { ReportDefinition } from '../report-definition.ts'
import { entryMessage, ofMilliseconds, subjectMessage } from '../report-messages.ts'
import { patientPseudonym, periodJson } from '../report-requests.ts'

type Kind = ConcernRow['kind']

interface Query {
  readonly patientId: string
  /** Empty: any. */
  readonly entryId: string
  readonly kinds: readonly Kind[]
  readonly openOnly: boolean
  /** Microseconds since the epoch. */
  readonly from: bigint | undefined
  readonly until: bigint | undefined
}

const kinds = ['dispute', 'correction', 'complaint'] as const satisfies readonly Kind[]

const kindMessages: Readonly<Record<Kind, ConcernKind>> = {
  dispute: ConcernKind.DISPUTE,
  correction: ConcernKind.CORRECTION,
  complaint: ConcernKind.COMPLAINT,
}

const outcomeMessages: Readonly<Record<Outcome, ConcernOutcome>> = {
  accepted: ConcernOutcome.ACCEPTED,
  partly_accepted: ConcernOutcome.PARTLY_ACCEPTED,
  denied: ConcernOutcome.DENIED,
  withdrawn: ConcernOutcome.WITHDRAWN,
  pending: ConcernOutcome.PENDING,
}

const answerMessage = (answer: ConcernAnswer): MessageInitShape<typeof ConcernAnswerSchema> => ({
  entry: entryMessage(answer.entry),
  outcome: outcomeMessages[answer.outcome],
  text: answer.text,
  answeredAt: ofMilliseconds(answer.answeredAt),
  recordedBy: subjectMessage(answer.recordedBy),
})

const rowMessage = (row: ConcernRow): MessageInitShape<typeof ConcernRowSchema> => ({
  entry: entryMessage(row.entry),
  kind: kindMessages[row.kind],
  patientId: row.patientId,
  aboutEntryId: row.aboutEntryId,
  text: row.text,
  raisedAt: ofMilliseconds(row.raisedAt),
  recordedBy: subjectMessage(row.recordedBy),
  due: ofMilliseconds(row.due),
  answers: row.answers.map(answerMessage),
  open: row.open,
})

export const concernsReport: ReportDefinition<QueryMessage, Query, ConcernRow, ReturnType<typeof rowMessage>> = {
  name: 'concerns',
  projections: ['concerns'],
  read: (message, reader) => {
    const entryId = (message?.entryId ?? '').toLowerCase()
    if (entryId !== '' && !isUuid(entryId)) reader.wrong('entry_id', 'must be a UUID')
    return {
      patientId: reader.text('patient_id', message?.patientId ?? ''),
      entryId,
      kinds: reader.members('kinds', message?.kinds ?? [], kinds, kindMessages),
      openOnly: message?.openOnly ?? false,
      ...reader.period(message),
    }
  },
  recorded: ({ patientId, entryId, kinds: ofKinds, openOnly, from, until }) => ({
    filter: {
      patient_id: patientId === '' ? undefined : patientId,
      entry_id: entryId === '' ? undefined : entryId,
      kinds: ofKinds,
      open_only: openOnly,
      ...periodJson({ from, until }),
    },
    patientId,
  }),
  page: (call, { patientId, entryId, kinds: ofKinds, openOnly, from, until }, range) =>
    concerns(
      call,
      {
        ...patientPseudonym(call.vault, patientId),
        ...(entryId === '' ? {} : { aboutEntryId: entryId }),
        kinds: ofKinds,
        openOnly,
        ...(from === undefined ? {} : { from }),
        ...(until === undefined ? {} : { until }),
      },
      range,
    ),
  message: rowMessage,
}
