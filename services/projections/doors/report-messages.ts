/** Rows of reports as messages of the contract. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { TimestampSchema } from '@bufbuild/protobuf/wkt'
import {
  AccessKind,
  type AccessRowSchema,
  type GrantRowSchema,
  type OffboardingRowSchema,
} from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { Decision, type EntryRefSchema, type SubjectRefSchema } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { AccessKind as Kind } from '../read-models/access-history.ts'
import type { NamedSubject } from '../reading.ts'
import type { AccessRow } from '../reports/access-history.ts'
import type { OffboardingRow } from '../reports/offboardings.ts'
import type { EntryReference } from '../reports/report-call.ts'
import type { GrantRow } from '../reports/role-grants.ts'

export const accessKindMessages: Readonly<Record<Kind, AccessKind>> = {
  authorised: AccessKind.AUTHORISED,
  performed: AccessKind.PERFORMED,
  refused: AccessKind.REFUSED,
  probed: AccessKind.PROBED,
}

export const ofMicroseconds = (microseconds: bigint): MessageInitShape<typeof TimestampSchema> => {
  const rest = ((microseconds % 1_000_000n) + 1_000_000n) % 1_000_000n
  return { seconds: (microseconds - rest) / 1_000_000n, nanos: Number(rest) * 1_000 }
}

export const ofMilliseconds = (milliseconds: number) => ofMicroseconds(BigInt(milliseconds) * 1_000n)

export const entryMessage = ({ id, revision, time, leafHash }: EntryReference): MessageInitShape<typeof EntryRefSchema> => ({
  id,
  revision,
  time: ofMilliseconds(time),
  leafHash: Uint8Array.from(leafHash),
})

export const subjectMessage = ({ type, id }: NamedSubject): MessageInitShape<typeof SubjectRefSchema> => ({ type, id })

export const accessRowMessage = (row: AccessRow): MessageInitShape<typeof AccessRowSchema> => ({
  entry: entryMessage(row.entry),
  kind: accessKindMessages[row.kind],
  occurredAt: ofMicroseconds(row.occurredAt),
  subject: subjectMessage(row.subject),
  action: row.action,
  resourceType: row.resourceType,
  resourceId: row.resourceId,
  patientId: row.patientId,
  purpose: row.purpose,
  reason: row.reason,
  reasonCode: row.reasonCode,
  rule: row.rule,
  caller: row.caller,
  flags: [...row.flags],
  decision: row.decision === undefined ? Decision.UNSPECIFIED : row.decision === 'permit' ? Decision.PERMIT : Decision.DENY,
  decisionEntryId: row.decisionEntryId,
})

export const grantRowMessage = (row: GrantRow): MessageInitShape<typeof GrantRowSchema> => ({
  subject: subjectMessage(row.subject),
  role: row.role,
  grantId: row.grantId,
  from: ofMilliseconds(row.from),
  ...(row.until === undefined ? {} : { until: ofMilliseconds(row.until) }),
  ...(row.grantor === undefined ? {} : { grantor: subjectMessage(row.grantor) }),
  reason: row.reason,
  entry: entryMessage(row.entry),
})

export const offboardingRowMessage = (row: OffboardingRow): MessageInitShape<typeof OffboardingRowSchema> => ({
  subject: subjectMessage(row.subject),
  ...(row.decidedBy === undefined ? {} : { decidedBy: subjectMessage(row.decidedBy) }),
  reason: row.reason,
  effective: ofMilliseconds(row.effective),
  entry: entryMessage(row.entry),
  grantsEnded: row.grantsEnded.map(grantRowMessage),
  attemptsAfterExit: row.attemptsAfterExit,
  ...(row.lastAttempt === undefined ? {} : { lastAttempt: ofMilliseconds(row.lastAttempt) }),
  ...(row.reinstatedAt === undefined ? {} : { reinstatedAt: ofMilliseconds(row.reinstatedAt) }),
  unknownSubject: !row.known,
  accessesBetween: row.accessesBetween,
  performedAfterExit: row.performedAfterExit,
  caller: row.caller,
})
