import type { Properties } from '../events.ts'
import type { ConditionFacts } from '../policy/condition.ts'
import type { Deliberation } from './deliberation.ts'
import { descriptionOf, isOwnRecord, type Labels, labelsOf } from './labels-of.ts'
import type { AccessRequest } from './request.ts'

const none: Properties = {}

/** What is stored and what is stated, as one; of a recorded decision only what was kept of both. */
const merged = (stored: Properties | undefined, stated: Properties | undefined, request: AccessRequest): Properties => {
  if (stored === undefined || request.stated?.recordedAt !== undefined) return stated ?? none
  if (stated === undefined) return stored
  return request.stated?.override === true ? { ...stored, ...stated } : { ...stated, ...stored }
}

/** What conditions see of a request: stored and stated properties, labels, and the facts that no request can set. */
export const factsOf = (
  { state, request, subject, now }: Pick<Deliberation, 'state' | 'request' | 'subject' | 'now'>,
  labels: Labels = labelsOf(state, subject, request),
): ConditionFacts => {
  const { directory } = state
  const { stated } = request
  const described = descriptionOf(state, request)
  const { confidentiality, sensitivities } = labels
  return {
    subject: {
      type: request.subject.type,
      properties: merged(directory.subjects.get(request.subject.pseudonym), stated?.subject, request),
    },
    resource: {
      type: request.resourceType,
      has_patient: request.patient !== undefined,
      own_record: isOwnRecord(subject, request),
      properties: { ...merged(described?.properties, stated?.resource, request), confidentiality, sensitivities: [...sensitivities] },
    },
    action: { name: request.action, properties: stated?.action ?? none },
    context: {
      ...stated?.context,
      time: new Date(stated?.recordedAt ?? now),
      caller: stated?.caller ?? '',
      purpose: request.purpose ?? '',
    } as ConditionFacts['context'],
    ready: { values: undefined },
  }
}
