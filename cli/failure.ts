import { type ReasonCode, reasonCodes } from '../services/access/reasons.ts'
import { BackupError, type BackupFault } from '../services/audit/backup/backup-error.ts'
import { ChartwardenError, type FieldViolation } from '../services/kernel/errors.ts'
import { StartError } from '../services/kernel/start-error.ts'
import { exitCodes, type Outcome, outcomeOfGrpcCode } from './exit-codes.ts'
import { OutputError } from './output/output-error.ts'
import { printable } from './output/printable.ts'
import { optional } from './request.ts'
import { connectionDetails, whyUnreachable } from './unreachable.ts'

/** What is said about a command that did not succeed. */
export interface Failure {
  /** Reason of the error catalogue, or `BACKUP_REFUSED`, `USAGE`, `SETUP_REFUSED`, `SETUP_UNAVAILABLE`, `INCOMPLETE`, `UNEXPECTED`. */
  readonly reason: string
  readonly message: string
  readonly fields: readonly FieldViolation[]
  /** What the service adds to the reason, as in ErrorInfo; absent: nothing. */
  readonly metadata?: Readonly<Record<string, string>>
  readonly outcome: Outcome
}

/** What is wrong with a backup is damage, but for what somebody can name otherwise or wait for. */
const outcomeOfBackup: Partial<Record<BackupFault, Outcome>> = { none: 'conflict', identity: 'usage', overtaken: 'unavailable' }

/**
 * Any thrown value as a failure. Only catalogue errors speak for themselves; of anything else the message is kept and the stack is not.
 * `verbose`: with what the connection said, where no service was reached.
 */
export const failureOf = (thrown: unknown, { verbose = false }: { readonly verbose?: boolean } = {}): Failure => {
  if (thrown instanceof ChartwardenError) {
    const { reason, fields } = thrown
    const message = whyUnreachable(thrown) ?? thrown.message
    const connection = verbose ? connectionDetails(thrown) : undefined
    const metadata = { ...thrown.metadata, ...optional('connection', connection) }
    const outcome = outcomeOfGrpcCode(thrown.grpc)
    return { reason, message, fields, outcome, ...(Object.keys(metadata).length === 0 ? {} : { metadata }) }
  }
  if (thrown instanceof StartError) {
    const { message, mayPass } = thrown
    return { reason: mayPass ? 'SETUP_UNAVAILABLE' : 'SETUP_REFUSED', message, fields: [], outcome: mayPass ? 'unavailable' : 'usage' }
  }
  if (thrown instanceof BackupError) {
    return { reason: 'BACKUP_REFUSED', message: thrown.message, fields: [], outcome: outcomeOfBackup[thrown.fault] ?? 'damaged' }
  }
  if (thrown instanceof OutputError) return { reason: 'INCOMPLETE', message: thrown.message, fields: [], outcome: 'incomplete' }
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return { reason: 'UNEXPECTED', message, fields: [], outcome: 'unexpected' }
}

const isReasonCode = (text: string): text is ReasonCode => Object.hasOwn(reasonCodes, text)

const detailText = (key: string, value: string): string => {
  if (key === 'reason_code') return `why: ${value}${isReasonCode(value) ? `: ${reasonCodes[value]}` : ''}`
  if (key === 'needs') return `needs: ${value}`
  if (key === 'scope') return `scope: ${value}`
  if (key === 'correlationId') return `logged by the service as ${value}`
  return `${key}: ${value}`
}

/** The correlation id leads to a log that only operators see; with an error that says what to do it is noise. */
const shownDetails = ({ reason, metadata = {} }: Failure): readonly string[] =>
  Object.entries(metadata)
    .filter(([key]) => key !== 'correlationId' || reason === 'INTERNAL')
    .map(([key, value]) => `  ${printable(detailText(key, value))}\n`)

/** Plain words for people; each line is safe on a terminal. */
export const failureText = (failure: Failure): string => {
  const reason = failure.reason === 'USAGE' ? '' : ` (${failure.reason})`
  const fields = failure.fields
    .filter(({ field, description }) => failure.message !== `${field}: ${description}`)
    .map((field) => `  ${printable(field.field)}: ${printable(field.description)}\n`)
  return `chartwarden: ${printable(failure.message)}${reason}\n${shownDetails(failure).join('')}${fields.join('')}`
}

/** One line of JSON. */
export const failureJson = (failure: Failure): string => {
  const { reason, message, fields, metadata, outcome } = failure
  return `${JSON.stringify({ error: { reason, message, fields, ...optional('metadata', metadata), exit_code: exitCodes[outcome].code } })}\n`
}
