import { ChartwardenError, type FieldViolation } from '../services/kernel/errors.ts'
import { StartError } from '../services/kernel/start-error.ts'
import { exitCodes, type Outcome, outcomeOfGrpcCode } from './exit-codes.ts'
import { printable } from './output/printable.ts'

/** What is said about a command that did not succeed. */
export interface Failure {
  /** Reason of the error catalogue, or `USAGE`, `START_REFUSED`, `INCOMPLETE`, `UNEXPECTED`. */
  readonly reason: string
  readonly message: string
  readonly fields: readonly FieldViolation[]
  readonly outcome: Outcome
}

/** Any thrown value as a failure. Only catalogue errors speak for themselves; of anything else the message is kept and the stack is not. */
export const failureOf = (thrown: unknown): Failure => {
  if (thrown instanceof ChartwardenError) {
    return { reason: thrown.reason, message: thrown.message, fields: thrown.fields, outcome: outcomeOfGrpcCode(thrown.grpc) }
  }
  if (thrown instanceof StartError) return { reason: 'START_REFUSED', message: thrown.message, fields: [], outcome: 'usage' }
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return { reason: 'UNEXPECTED', message, fields: [], outcome: 'unexpected' }
}

/** Plain words for people; each line is safe on a terminal. */
export const failureText = (failure: Failure): string => {
  const reason = failure.reason === 'USAGE' ? '' : ` (${failure.reason})`
  const fields = failure.fields
    .filter(({ field, description }) => failure.message !== `${field}: ${description}`)
    .map((field) => `  ${printable(field.field)}: ${printable(field.description)}\n`)
  return `chartwarden: ${printable(failure.message)}${reason}\n${fields.join('')}`
}

/** One line of JSON. */
export const failureJson = (failure: Failure): string => {
  const { reason, message, fields, outcome } = failure
  return `${JSON.stringify({ error: { reason, message, fields, exit_code: exitCodes[outcome].code } })}\n`
}
