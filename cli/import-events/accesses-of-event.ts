/** One AuditEvent as the accesses it reports. Pure: what cannot be said for certain is refused, or filled in and listed where that is asked for. */
import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { type RecordAccessRequest, RecordAccessRequestSchema } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { uuidV5 } from '../../services/kernel/ids.ts'
import { accessFaults } from './access-faults.ts'
import type { AuditEvent } from './audit-event.ts'
import type { Case } from './cases.ts'
import { type CodeRule, type CodeRules, firstRule } from './code-rules.ts'
import type { ShapeFault } from './fhir-shape.ts'
import { purposeOfEvent } from './purpose-of-event.ts'
import { actorOf, type IdForm, idIn, patientsOf, subjectTypeOf, type TouchedRecord, touchedRecords } from './who-and-whom.ts'

/** Something said of one field of one event. */
export interface FieldNote {
  readonly field: string
  readonly value: string
  readonly because: string
}

export type EventAccesses =
  /** `filled`: what the event does not say and was taken from elsewhere; `leftOut`: what it says and nothing was made of. */
  | {
      readonly kind: 'accesses'
      readonly requests: readonly RecordAccessRequest[]
      readonly filled: readonly FieldNote[]
      readonly leftOut: readonly FieldNote[]
    }
  | { readonly kind: 'refused'; readonly faults: readonly FieldNote[] }
  /** Valid, but nothing of a record was accessed. */
  | { readonly kind: 'no access'; readonly because: FieldNote }

export interface EventContext {
  readonly rules: CodeRules
  /** Name of the system whose events these are; part of each request id. */
  readonly source: string
  readonly ids: IdForm
  /** Undefined: strict. */
  readonly lenient: { readonly case: Case | undefined } | undefined
}

/** UUIDv5(URL namespace, "https://chartwarden.example/import/fhir-audit-events"). Never changes. */
const eventsNamespace = '14a10772-6c7f-5842-91c0-e751e0302d6d'

/** The request id of the n-th access of an event: the same in every file, for every reading of it. */
export const eventRequestId = (source: string, eventId: string, ordinal: number): string =>
  uuidV5(eventsNamespace, [source, `AuditEvent/${eventId}`, ...(ordinal === 0 ? [] : [ordinal])].join('\n'))

const restfulInteraction = 'http://hl7.org/fhir/restful-interaction'
const crud: Readonly<Record<string, string>> = { C: 'create', R: 'read', U: 'update', D: 'delete' }
const failures: ReadonlySet<string> = new Set(['4', '8', '12', 'error', 'fatal'])
const successes: ReadonlySet<string> = new Set(['0', 'success', 'information', 'warning'])

/** Types whose records are always some patient's. */
const patientTypes: ReadonlySet<string> = new Set([
  'personal_details',
  'medical_history',
  'treatment_record',
  'clinical_note',
  'imaging',
  'lab_report',
  'referral',
  'invoice',
  'patient_export',
])

/** Missing parts without which nothing can be said of the access. */
const needed = /^(?:id|outcome\.code)$/

const wordsOf = (fault: ShapeFault): string => {
  if (fault.kind === 'wrong') return fault.message
  return fault.kind === 'missing' ? 'is missing' : 'is no element of this version of FHIR'
}

/** Collects what is said while an event is read. */
const createNotes = () => {
  const faults: FieldNote[] = []
  const filled: FieldNote[] = []
  const leftOut: FieldNote[] = []
  return {
    faults,
    filled,
    leftOut,
    refuse: (field: string, because: string): undefined => void faults.push({ field, value: '', because }),
    fill: (field: string, value: string, because: string): string => {
      filled.push({ field, value, because })
      return value
    },
  }
}

type Notes = ReturnType<typeof createNotes>

/** What stands for a part that is missing; undefined where the access does not depend on it. `elsewhere`: it is looked for, and listed, below. */
const standIn = (path: string, event: AuditEvent, source: string): Omit<FieldNote, 'field'> | 'elsewhere' | undefined => {
  const { lastUpdated } = event
  if (path === 'recorded') {
    return lastUpdated === undefined ? { value: 'unknown', because: 'not known' } : { value: lastUpdated.text, because: 'meta.lastUpdated' }
  }
  if (path === 'source' || path === 'source.observer') return { value: source, because: '--source' }
  if (/^agent\[\d+\]\.requestor$/.test(path)) return { value: 'unknown', because: 'the subject is the only one it can be' }
  return path.startsWith('agent') && actorOf(event).kind === 'none' ? 'elsewhere' : undefined
}

const noteShape = (event: AuditEvent, shape: readonly ShapeFault[], { source, lenient }: EventContext, notes: Notes): void => {
  for (const fault of shape) {
    const { kind, path } = fault
    if (lenient === undefined || kind === 'wrong' || (kind === 'missing' && needed.test(path))) {
      notes.refuse(path, wordsOf(fault))
      continue
    }
    const found = kind === 'missing' ? standIn(path, event, source) : undefined
    if (found === undefined)
      notes.leftOut.push({ field: path, value: '', because: `${wordsOf(fault)}; nothing of the access depends on it` })
    else if (found !== 'elsewhere') notes.fill(path === 'source' ? 'source.observer' : path, found.value, found.because)
  }
}

const subjectOf = (event: AuditEvent, { ids, lenient }: EventContext, notes: Notes) => {
  const actor = actorOf(event)
  if (actor.kind === 'several') return notes.refuse('agent', 'names several requestors; an access has one subject')
  const fromCase = lenient?.case?.subject
  if (actor.kind === 'none' && lenient === undefined && notes.faults.some(({ field }) => field.startsWith('agent'))) return undefined
  if (actor.kind === 'none' && lenient === undefined) return notes.refuse('agent', 'names nobody who asked for it (requestor, who)')
  if (actor.kind === 'none' && fromCase?.kind !== 'one')
    return notes.refuse('agent', `names nobody, and its case names ${fromCase?.kind === 'several' ? 'several people' : 'nobody either'}`)
  const who = actor.kind === 'one' ? actor.who : fromCase?.kind === 'one' ? fromCase.resource : undefined
  if (who === undefined) return undefined
  const type = subjectTypeOf(who)
  if (type === undefined) return notes.refuse('agent.who', `is a ${who.type}, which does not act`)
  const id = idIn(ids, who)
  if (actor.kind === 'none') notes.fill('agent.who', `${type}:${id}`, 'the other events of its case')
  return { type, id }
}

const patientOf = (event: AuditEvent, { ids, lenient }: EventContext, required: boolean, notes: Notes): string | undefined => {
  const [stated, another] = patientsOf(event)
  if (another !== undefined) return notes.refuse('patient', 'names several patients; FHIR has one event for each')
  if (stated !== undefined) {
    if (stated.type !== undefined && stated.type !== 'Patient') return notes.refuse('patient', `is a ${stated.type}`)
    return idIn(ids, stated)
  }
  const found = lenient?.case
  if (found?.patient.kind === 'several') return notes.refuse('patient', 'is missing, and its case names several')
  if (found?.patient.kind === 'one') return notes.fill('patient', idIn(ids, found.patient.resource), 'the other events of its case')
  if (found !== undefined) return notes.fill('patient', found.surrogate.reference, 'what its case is named by, which names no patient')
  if (required) return notes.refuse('patient', lenient === undefined ? 'is missing' : 'is missing, and no case of it is known')
  return ''
}

const momentOf = (event: AuditEvent, { lenient }: EventContext, notes: Notes): number | undefined => {
  const field = event.version === 'R5' ? 'occurred' : 'period.start'
  if (event.occurred !== undefined) return event.occurred
  if (event.saysWhen) return notes.refuse(field, 'is no moment with its zone')
  if (event.recorded !== undefined || lenient === undefined) return event.recorded
  if (event.lastUpdated === undefined) return notes.refuse(field, 'is missing, and so is when it was recorded')
  notes.fill(field, event.lastUpdated.text, 'meta.lastUpdated')
  return event.lastUpdated.at
}

const purposeOf = (event: AuditEvent, { lenient }: EventContext, notes: Notes): string => {
  const actor = actorOf(event)
  const purpose = purposeOfEvent(event, actor.kind === 'one' ? actor.agent : undefined)
  const field = event.version === 'R5' ? 'authorization' : 'purposeOfEvent'
  switch (purpose.kind) {
    case 'one':
      return purpose.code
    case 'unstated':
      if (lenient !== undefined) notes.fill(field, 'UNSTATED', 'the event names none')
      return ''
    case 'several':
      if (lenient === undefined) notes.refuse(field, 'names several purposes; an access has one')
      else return notes.fill(field, purpose.codes[0] as string, `the first of ${purpose.codes.join(', ')}`)
      return ''
    case 'unknown':
      if (lenient === undefined) notes.refuse(field, 'holds no PurposeOfUse code')
      else notes.fill(field, 'UNSTATED', 'its codes are none of PurposeOfUse')
      return ''
  }
}

/** What a rule says, or why none does. `none`: no access. */
const saidByCodes = (
  says: 'resource_type' | 'action',
  event: AuditEvent,
  record: TouchedRecord,
  { rules, lenient }: EventContext,
  notes: Notes,
): string | undefined => {
  const matched = { codes: event.codes, text: event.text, entityType: record.type }
  const certain = firstRule(rules.certain, says, matched)
  const byLetter = says === 'action' ? crud[event.action ?? ''] : undefined
  if (certain !== undefined)
    return contradicted(certain, byLetter, says) ? notes.refuse('action', 'is another than that of its code') : certain[says]
  if (byLetter !== undefined) return byLetter
  const reading = lenient === undefined ? undefined : firstRule(rules.readings, says, matched)
  if (reading !== undefined) return notes.fill(says, reading[says], `a reading of code ${reading.code}`)
  return notes.refuse(event.version === 'R5' ? 'code' : 'subtype', `says no ${says} that is known here; name it in --mapping`)
}

const contradicted = (rule: CodeRule, byLetter: string | undefined, says: string): boolean =>
  says === 'action' && rule.system === restfulInteraction && byLetter !== undefined && byLetter !== rule.action

const resourceIdOf = (event: AuditEvent, record: TouchedRecord, { ids, lenient }: EventContext, notes: Notes): string | undefined => {
  if (record.named !== undefined) return idIn(ids, record.named)
  if (record.query !== undefined) return record.query
  if (lenient === undefined) return notes.refuse('entity', 'names no record')
  return notes.fill('entity.what', `AuditEvent/${event.id}`, 'the event stands for the record it does not name')
}

const notAnAccess = (event: AuditEvent, { rules }: EventContext): FieldNote | undefined => {
  const { outcome } = event
  if (outcome !== undefined && failures.has(outcome))
    return { field: 'outcome', value: outcome, because: 'it did not succeed, so nothing was accessed' }
  const [record] = touchedRecords(event)
  const rule = firstRule(rules.certain, 'resource_type', { codes: event.codes, text: event.text, entityType: record?.type })
  if (rule?.resource_type !== 'none') return undefined
  return {
    field: event.version === 'R5' ? 'code' : 'type',
    value: rule.code || rule.text,
    because: 'events of this code are no access to a record',
  }
}

/** `shape`: what is wrong with the event as FHIR. Without `lenient` every fault refuses it, and nothing is ever filled in. */
export const accessesOfEvent = (event: AuditEvent, shape: readonly ShapeFault[], context: EventContext): EventAccesses => {
  const notes = createNotes()
  noteShape(event, shape, context, notes)
  const aside = notAnAccess(event, context)
  if (aside !== undefined && notes.faults.length === 0) return { kind: 'no access', because: aside }
  if (event.outcome !== undefined && !successes.has(event.outcome) && aside === undefined)
    notes.refuse('outcome', 'is neither a success nor a failure that is known here')
  const subject = subjectOf(event, context, notes)
  const records = touchedRecords(event).map((record) => ({
    query: record.query !== undefined,
    id: resourceIdOf(event, record, context, notes),
    type: saidByCodes('resource_type', event, record, context, notes),
    action: saidByCodes('action', event, record, context, notes),
  }))
  const required = records.some(({ type, query }) => type !== undefined && patientTypes.has(type) && !query)
  const patientId = patientOf(event, context, required, notes)
  const at = momentOf(event, context, notes)
  const purpose = purposeOf(event, context, notes)
  const eventId = event.id ?? ''
  const requests = records.map(({ id, type, action }, ordinal) =>
    create(RecordAccessRequestSchema, {
      requestId: eventRequestId(context.source, eventId, ordinal),
      subject: subject ?? { type: '', id: '' },
      action: { name: action ?? '' },
      resource: { type: type ?? '', id: id ?? '', patientId: patientId ?? '' },
      purpose,
      reason: event.text ?? '',
      ...(at === undefined ? {} : { occurredAt: timestampFromMs(at) }),
      source: `import:${context.source}/AuditEvent/${eventId}`,
    }),
  )
  // What is not known is a fault already; only what is known can be of a form that the service refuses.
  if (notes.faults.length === 0) for (const request of requests) notes.faults.push(...accessFaults(request))
  if (notes.faults.length > 0) return { kind: 'refused', faults: distinct(notes.faults) }
  return { kind: 'accesses', requests, filled: distinct(notes.filled), leftOut: notes.leftOut }
}

const distinct = (list: readonly FieldNote[]): readonly FieldNote[] => [
  ...new Map(list.map((note) => [JSON.stringify([note.field, note.value, note.because]), note])).values(),
]
