import type { Obligation } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { obligationText } from './describe.ts'
import { printable } from './printable.ts'

const decisionText = (decision: Decision): string => (decision === Decision.PERMIT ? 'permit' : 'deny')

/** `permit: role_permits by role/dentist#imaging.read, with fields (alerts)` */
export const answerLine = (answer: {
  readonly decision: Decision
  readonly reasonCode: string
  readonly rule: string
  readonly obligations: readonly Obligation[]
}): string => {
  const rule = answer.rule === '' ? '' : ` by ${printable(answer.rule)}`
  const duties = answer.obligations.length === 0 ? '' : `, with ${answer.obligations.map(obligationText).join(', ')}`
  return `${decisionText(answer.decision)}: ${printable(answer.reasonCode)}${rule}${duties}`
}
