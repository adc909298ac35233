import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  type CheckRequestSchema,
  type CheckResponse,
  type CheckResult,
  Intent,
} from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { ChartwardenError, type ErrorReason, errorCatalogue } from '../../services/kernel/errors.ts'
import type { Connection } from '../connection.ts'
import { demoClinic } from './demo-clinic.ts'
import { supportedObligations } from './people.ts'
import type { Question, Scene } from './question.ts'
import { demoRequestId } from './request-ids.ts'

export interface Asked {
  readonly question: Question
  readonly answer: CheckResponse
}

const requestOf = (scene: Scene, question: Question, index: number): MessageInitShape<typeof CheckRequestSchema> => ({
  requestId: demoRequestId(`check/${scene.name}/${index}`),
  clinic: demoClinic.clinic,
  subject: question.who,
  action: { name: question.action },
  resource: { type: question.type, id: question.id, patientId: question.patientId ?? '' },
  purpose: question.purpose,
  reason: question.reason ?? '',
  intent: question.probe ? Intent.PROBE : Intent.ACCESS,
  supportedObligations: question.supportsNothing ? [] : [...supportedObligations],
})

const answerOf = (result: CheckResult | undefined): CheckResponse => {
  const outcome = result?.outcome
  if (outcome?.case === 'response') return outcome.value
  if (outcome?.case !== 'error') throw new ChartwardenError('INTERNAL', { message: 'The service left a question unanswered.' })
  const { reason, message } = outcome.value
  throw new ChartwardenError(Object.hasOwn(errorCatalogue, reason) ? (reason as ErrorReason) : 'INTERNAL', { message })
}

/** A screen is drawn from many answers at once: one batch. */
export const askAtOnce = async ({ access }: Connection, scene: Scene): Promise<Asked[]> => {
  const { results } = await access.checkBatch({
    clinic: demoClinic.clinic,
    checks: scene.questions.map((question, index) => requestOf(scene, question, index)),
  })
  return scene.questions.map((question, index) => ({ question, answer: answerOf(results[index]) }))
}

/** Work goes on while answers come: one stream, matched by `seq`. */
export const askOnStream = async ({ access, stream }: Connection, scene: Scene): Promise<Asked[]> => {
  const requests = async function* () {
    for (const [index, question] of scene.questions.entries()) yield { seq: BigInt(index), check: requestOf(scene, question, index) }
  }
  const results = new Map<bigint, CheckResult | undefined>()
  for await (const { seq, result } of stream((signal) => access.checkStream(requests(), { signal }))) results.set(seq, result)
  return scene.questions.map((question, index) => ({ question, answer: answerOf(results.get(BigInt(index))) }))
}
