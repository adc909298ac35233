import type { Properties } from '../events.ts'
import type { ConditionFacts } from '../policy/condition.ts'
import { isInForce } from '../state/period.ts'
import type { Deliberation } from './deliberation.ts'
import { isOwnRecord, labelsOf } from './labels-of.ts'

const none: Properties = {}

/** What is stored and what is stated, as one. */
const merged = (stored: Properties | undefined, stated: Properties | undefined, override: boolean): Properties => {
  if (stored === undefined) return stated ?? none
  if (stated === undefined) return stored
  return override ? { ...stored, ...stated } : { ...stated, ...stored }
}

/** What conditions see of a request: stored and stated properties, labels, and the facts that no request can set. */
export const factsOf = ({ state, request, subject, now }: Pick<Deliberation, 'state' | 'request' | 'subject' | 'now'>): ConditionFacts => {
  const { directory } = state
  const { stated } = request
  const override = stated?.override === true
  const described = directory.resources.size === 0 || request.record === undefined ? undefined : directory.resources.get(request.record)
  const { confidentiality, sensitivities } = labelsOf(state, subject, request)
  const roles: string[] = []
  for (const grant of state.grants.bySubject.get(request.subject.pseudonym) ?? []) {
    if (isInForce(grant, now) && !roles.includes(grant.role)) roles.push(grant.role)
  }
  return {
    subject: {
      type: request.subject.type,
      roles,
      properties: merged(directory.subjects.get(request.subject.pseudonym), stated?.subject, override),
    },
    resource: {
      type: request.resourceType,
      has_patient: request.patient !== undefined,
      own_record: isOwnRecord(subject, request),
      properties: { ...merged(described?.properties, stated?.resource, override), confidentiality, sensitivities: [...sensitivities] },
    },
    action: { name: request.action, properties: stated?.action ?? none },
    context: {
      ...stated?.context,
      time: new Date(now),
      caller: stated?.caller ?? '',
      purpose: request.purpose ?? '',
    } as ConditionFacts['context'],
  }
}
