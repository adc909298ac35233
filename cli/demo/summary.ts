import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { count, subjectText } from '../output/describe.ts'
import type { Asked } from './ask.ts'
import { demoClinic } from './demo-clinic.ts'
import { careTeams, enrolments, leaver } from './people.ts'
import type { DemoResult } from './run-demo.ts'

/** What the answers of a run amount to. */
export interface Tally {
  readonly questions: number
  readonly permitted: number
  readonly withDuties: number
  readonly denied: number
  readonly probes: number
  /** Denials by reason code, most frequent first; probes not counted. */
  readonly reasons: readonly (readonly [string, number])[]
  /** Answers that were not what the roles should give. */
  readonly surprises: readonly Asked[]
}

export const tally = (asked: readonly Asked[]): Tally => {
  const accesses = asked.filter(({ question }) => !question.probe)
  const permits = accesses.filter(({ answer }) => answer.decision === Decision.PERMIT)
  const denials = accesses.filter(({ answer }) => answer.decision !== Decision.PERMIT)
  const reasons = new Map<string, number>()
  for (const { answer } of denials) reasons.set(answer.reasonCode, (reasons.get(answer.reasonCode) ?? 0) + 1)
  return {
    questions: asked.length,
    permitted: permits.length,
    withDuties: permits.filter(({ answer }) => answer.obligations.length > 0).length,
    denied: denials.length,
    probes: asked.length - accesses.length,
    reasons: [...reasons].sort((left, right) => right[1] - left[1]),
    surprises: asked.filter(({ question, answer }) => answer.reasonCode !== question.expect),
  }
}

const patients = new Set(careTeams.flatMap((team) => team.patients)).size

const surpriseText = ({ question, answer }: Asked): string =>
  `  unexpected: ${subjectText(question.who)} ${question.action} ${question.type}:${question.id} for ${question.purpose}: ${answer.reasonCode}, not ${question.expect}\n`

/** What happened, for people. */
export const demoText = (result: DemoResult): string => {
  const head = `The ledger of clinic "${demoClinic.clinic}" ends at revision ${result.headRevision}.\n`
  const { questions, permitted, withDuties, denied, probes, reasons, surprises } = tally(result.asked)
  const unexpected = surprises.map(surpriseText).join('')
  if (result.ranBefore) return `The demo clinic is there already; nothing was added.\n${head}${unexpected}`
  const exit = result.offboarded
  return [
    `Clinic "${demoClinic.clinic}" is open: ${count(enrolments.length + 1, 'person', 'people and organisations')}, ${count(patients, 'patient')}, a lab share.\n`,
    `Its day: ${count(questions, 'question')}; ${permitted} permitted (${withDuties} with duties), ${denied} denied, ${probes} only asked.\n`,
    `  denied: ${reasons.map(([reason, times]) => `${reason} ${times}`).join(', ')}\n`,
    `  ${count(result.performed, 'access', 'accesses')} reported as performed, one of them after the fact.\n`,
    ...(exit === undefined
      ? []
      : [
          `${subjectText(leaver)} has left: ${count(exit.grantsEnded, 'grant')} and ${count(exit.relationshipsEnded, 'relationship')} ended; what was tried afterwards was denied.\n`,
        ]),
    head,
    unexpected,
  ].join('')
}

/** Machine-readable. */
export const demoJson = (result: DemoResult): Record<string, unknown> => {
  const { surprises, reasons, ...counts } = tally(result.asked)
  return {
    clinic: demoClinic.clinic,
    ran_before: result.ranBefore,
    head_revision: String(result.headRevision),
    questions: counts.questions,
    permitted: counts.permitted,
    with_duties: counts.withDuties,
    denied: counts.denied,
    probes: counts.probes,
    performed: result.performed,
    denied_by_reason: Object.fromEntries(reasons),
    unexpected: surprises.map((asked) => surpriseText(asked).trim()),
  }
}
