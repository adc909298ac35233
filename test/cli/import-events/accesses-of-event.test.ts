/** What one event becomes: given an event, the accesses, or every reason why not. */
import { timestampMs } from '@bufbuild/protobuf/wkt'
import fc from 'fast-check'
import t from 'tap'
import { accessesOfEvent, type EventAccesses, type EventContext, eventRequestId } from '../../../cli/import-events/accesses-of-event.ts'
import type { Case } from '../../../cli/import-events/cases.ts'
import { codeRules } from '../../../cli/import-events/code-rules.ts'
import { readEvent } from '../../../cli/import-events/read-event.ts'
import { type Json, type JsonEvent, r4Event, r5Event, without } from '../../support/fhir-events.ts'

const rules = codeRules([])
const strict: EventContext = { rules, source: 'fhir', ids: 'logical', lenient: undefined }
const lenient: EventContext = { ...strict, lenient: { case: undefined } }

const became = (event: unknown, context = strict): EventAccesses => {
  const read = readEvent(typeof event === 'string' ? event : JSON.stringify(event))
  if (read.kind === 'unreadable') return { kind: 'refused', faults: [{ field: read.field, value: '', because: read.reason }] }
  return accessesOfEvent(read.event, read.faults, context)
}
/** The reasons of a refusal, `field because`. */
const reasons = (event: unknown, context = strict): readonly string[] => {
  const result = became(event, context)
  return result.kind === 'refused' ? result.faults.map(({ field, because }) => `${field} ${because}`.trim()) : [result.kind]
}
const requestsOf = (event: unknown, context = strict) => {
  const result = became(event, context)
  return result.kind === 'accesses' ? result.requests : []
}
const reference = (text: string): JsonEvent => ({ reference: text })
const entity = (what: string): JsonEvent => ({ what: reference(what) })

t.test('a valid event of either version is one access', async (t) => {
  t.match(requestsOf(r4Event('1')), [
    {
      requestId: eventRequestId('fhir', '1', 0),
      subject: { type: 'staff', id: 'd-17' },
      action: { name: 'read' },
      resource: { type: 'imaging', id: 'img-1', patientId: 'p-1' },
      purpose: 'TREAT',
      reason: 'read',
      source: 'import:fhir/AuditEvent/1',
    },
  ])
  t.match(requestsOf(r5Event('1')), [{ subject: { type: 'staff', id: 'd-17' }, reason: 'Open\nimage', purpose: 'TREAT' }])
})

t.test('each thing that is wrong refuses it, with its place', async (t) => {
  const cases: readonly (readonly [JsonEvent, string])[] = [
    [without(r4Event('1'), 'type'), 'type is missing'],
    [without(r4Event('1'), 'recorded'), 'recorded is missing'],
    [without(r4Event('1'), 'source'), 'source is missing'],
    [without(r4Event('1'), 'agent'), 'agent is missing'],
    [without(r4Event('1'), 'id'), 'id is missing'],
    [r4Event('1', { source: {} }), 'source.observer is missing'],
    [r4Event('1', { agent: [] }), 'agent is an empty list'],
    [r4Event('1', { agent: [{ who: reference('Practitioner/1') }] }), 'agent[0].requestor is missing'],
    [r4Event('1', { agent: 'somebody' }), 'agent must be a list'],
    [r4Event('1', { action: 'X' }), 'action must be one of "C", "R", "U", "D", "E"'],
    [r4Event('1', { outcome: 0 }), 'outcome must be one of "0", "4", "8", "12"'],
    [r4Event('1', { recorded: '2026-03-02T09:30:00' }), 'recorded is no FHIR instant'],
    [r4Event('1', { recorded: '2026-02-30T09:30:00Z' }), 'recorded is no FHIR instant'],
    [r4Event('1', { recorded: null }), 'recorded is no FHIR instant'],
    [r4Event('1', { period: { start: '2026-03' } }), 'period.start is no moment with its zone'],
    [r4Event('1', { id: 'a b' }), 'id is no FHIR id'],
    [r4Event('1', { severity: 'error' }), 'severity is no element of this version of FHIR'],
    [
      r4Event('1', { modifierExtension: [{ url: 'urn:not' }] }),
      'modifierExtension may change what the event means, and is not understood here',
    ],
    [
      r4Event('1', { entity: [{ name: 'n', query: 'aGk=', what: reference('ImagingStudy/1') }, entity('Patient/1')] }),
      'entity[0] has both name and query (invariant sev-1)',
    ],
    [r4Event('1', { entity: [entity('ImagingStudy/1')] }), 'patient is missing'],
    [r4Event('1', { entity: [entity('Patient/1'), entity('Patient/2')] }), 'patient names several patients; FHIR has one event for each'],
    [r4Event('1', { purposeOfEvent: [{ coding: [{ code: 'CURIOSITY' }] }] }), 'purposeOfEvent holds no PurposeOfUse code'],
    [
      r4Event('1', { purposeOfEvent: [{ coding: [{ code: 'TREAT' }, { code: 'HPAYMT' }] }] }),
      'purposeOfEvent names several purposes; an access has one',
    ],
    [r4Event('1', { action: 'D' }), 'action is another than that of its code'],
    [
      r4Event('1', {
        agent: [
          { who: reference('Practitioner/1'), requestor: true },
          { who: reference('Practitioner/2'), requestor: true },
        ],
      }),
      'agent names several requestors; an access has one subject',
    ],
    [
      r4Event('1', { agent: [{ who: reference('Practitioner/1'), requestor: false }] }),
      'agent names nobody who asked for it (requestor, who)',
    ],
    [r4Event('1', { agent: [{ who: { display: 'Dr. Who' }, requestor: true }] }), 'agent names nobody who asked for it (requestor, who)'],
    [r4Event('1', { agent: [{ who: reference('Location/1'), requestor: true }] }), 'agent.who is a Location, which does not act'],
    [
      r4Event('1', { entity: [entity('Basic/1'), entity('Patient/1')] }),
      'subtype says no resource_type that is known here; name it in --mapping',
    ],
    [without(r5Event('1'), 'code'), 'code is missing'],
    [r5Event('1', { patient: reference('Group/1') }), 'patient is a Group'],
    [r5Event('1', { outcome: { code: { code: 'perhaps' } } }), 'outcome is neither a success nor a failure that is known here'],
    [r5Event('1', { type: {} }), 'has both type (FHIR R4) and code (FHIR R5)'],
    [r5Event('1', { code: { text: '' } }), 'code.text is no FHIR string'],
    [r5Event('1', { resourceType: 'Patient' }), 'resourceType is not AuditEvent'],
  ]
  for (const [event, reason] of cases) t.ok(reasons(event).includes(reason), `${reason}: ${reasons(event).join('; ')}`)
})

t.test('what the service would refuse is refused before', async (t) => {
  const rest = (r5Event('1')['code'] as JsonEvent)['coding'] as Json
  t.same(reasons(r5Event('1', { code: { coding: rest, text: 'x'.repeat(501) } })), ['reason has more than 500 characters'])
  t.same(reasons(r5Event('1', { code: { coding: rest, text: 'half \ud800' } })), ['reason holds half a character (a lone surrogate)'])
  t.same(reasons(r5Event('1', { code: { coding: rest, text: 'nul\0' } })), ['reason holds a NUL character'])
  t.same(reasons(r5Event('1', { patient: { identifier: { value: 'p'.repeat(257) } } })), [
    'resource.patient_id has more than 256 characters',
  ])
  t.same(reasons(r5Event('1', { agent: [{ who: { identifier: { value: 'd-17\u202e' } }, requestor: true }] })), [
    'subject.id has white space at an end or a character that cannot be seen',
  ])
  t.same(reasons(r5Event('1', { occurredDateTime: '1969-12-31T23:59:59Z' })), ['occurred_at is not a moment between 1970 and 9999'])
})

t.test('lines that are anything but an event are refused and never shown', async (t) => {
  const secret = 'Mrs. Example'
  for (const text of [`{"x":"${secret}"`, `"${secret}"`, '[]', 'null', '1', `{"resourceType":"${secret}"}`, '{}']) {
    const said = reasons(text).join()
    t.match(said, /is not JSON|is no JSON object|is not AuditEvent|is missing/, text)
    t.notMatch(said, secret)
  }
})

t.test('a line that says something twice is refused, in either mode: nobody could say which holds', async (t) => {
  const two = `{"what":{"reference":"Patient/p-1","reference":"Patient/p-2"}}`
  const text = JSON.stringify(r4Event('1')).replace('"entity":[', `"entity":[${two},`)
  for (const context of [strict, lenient]) t.same(reasons(text, context), ['entity[0].what.reference stands more than once in one object'])
  t.same(reasons(JSON.stringify(r4Event('1')).replace('{', '{"action":"D",')), ['action stands more than once in one object'])
  t.same(reasons(JSON.stringify(r4Event('1')).replace('"action"', '"\\u0061ction":"D","action"')), [
    'action stands more than once in one object',
  ])
  t.same(reasons('{"Mrs. Example":1,"Mrs. Example":2}'), ['has a member more than once'], 'a name that is no element is not shown')
  t.not(JSON.stringify(JSON.parse(text)), text, 'twin: the parser of the language drops one')
})

t.test('keys that JavaScript gives a meaning, and nesting without end, are only content', async (t) => {
  const base = JSON.stringify(r4Event('1')).slice(0, -1)
  for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    t.same(reasons(`${base},"${key}":{"action":"D"}}`), [`${key} is no element of this version of FHIR`], key)
  }
  t.equal(({} as Record<string, unknown>)['action'], undefined)
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  t.ok(reasons(`${base},"extension":${deep}}`).length > 0)
  const assigner = (depth: number): string => (depth === 0 ? '{}' : `{"identifier":{"assigner":${assigner(depth - 1)}}}`)
  const open = JSON.stringify(without(r4Event('1'), 'source')).slice(0, -1)
  t.match(reasons(`${open},"source":{"observer":${assigner(2000)}}}`).join(), /is nested too deeply/)
})

t.test('an event that failed, or that is about no record, is no access', async (t) => {
  for (const outcome of ['4', '8', '12'])
    t.match(became(r4Event('1', { outcome })), { kind: 'no access', because: { field: 'outcome', value: outcome } })
  t.match(became(r5Event('1', { outcome: { code: { code: 'error' } } })), { kind: 'no access' })
  const dcm = 'http://dicom.nema.org/resources/ontology/DCM'
  const login = {
    type: { system: dcm, code: '110114' },
    action: 'E',
    subtype: [{ system: dcm, code: '110122' }],
    entity: [entity('Device/1')],
  }
  t.match(became(r4Event('1', login)), { kind: 'no access', because: { field: 'type', value: '110114' } })
  t.match(became(without(r4Event('1', login), 'recorded')), { kind: 'refused' }, 'but it must be valid all the same')
})

t.test('codes of FHIR and DICOM say what was done, and the letter of the action where they do not', async (t) => {
  const rest = 'http://hl7.org/fhir/restful-interaction'
  const dcm = 'http://dicom.nema.org/resources/ontology/DCM'
  const cases: readonly (readonly [JsonEvent, string, string])[] = [
    [
      { subtype: [{ system: rest, code: 'create' }], action: 'C', entity: [entity('Observation/1'), entity('Patient/1')] },
      'medical_history',
      'create',
    ],
    [{ subtype: [{ system: rest, code: 'patch' }], action: 'U', entity: [entity('Appointment/1')] }, 'appointment', 'update'],
    [{ subtype: [{ system: rest, code: 'delete' }], action: 'D', entity: [entity('Invoice/1'), entity('Patient/1')] }, 'invoice', 'delete'],
    [{ type: { system: dcm, code: '110106' }, subtype: [], entity: [entity('Patient/1')] }, 'personal_details', 'export'],
    [{ type: { system: dcm, code: '110103' }, action: 'R', entity: [entity('ImagingStudy/1'), entity('Patient/1')] }, 'imaging', 'read'],
    [
      {
        type: { system: dcm, code: '110106' },
        subtype: [{ system: 'http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle', code: 'disclose' }],
        entity: [entity('DocumentReference/1'), entity('Patient/1')],
      },
      'clinical_note',
      'share',
    ],
  ]
  for (const [over, type, action] of cases) {
    const event =
      Array.isArray(over['subtype']) && over['subtype'].length === 0 ? without(r4Event('1', over), 'subtype') : r4Event('1', over)
    const plain = over['subtype'] === undefined ? without(event, 'subtype') : event
    t.match(requestsOf(plain), [{ resource: { type }, action: { name: action } }], `${type} ${action}: ${reasons(plain).join()}`)
  }
})

t.test('a search names what was searched for, and no patient', async (t) => {
  const event = r4Event('1', {
    action: 'E',
    subtype: [{ system: 'http://hl7.org/fhir/restful-interaction', code: 'search' }],
    entity: [{ query: Buffer.from('GET https://fhir.example/r4/Observation?code=1234 HTTP/1.1').toString('base64') }],
  })
  t.match(requestsOf(event), [
    { action: { name: 'read' }, resource: { type: 'medical_history', id: 'Observation?code=1234', patientId: '' } },
  ])
  const long = Buffer.from(`GET /Observation?code=${'1'.repeat(300)}`).toString('base64')
  t.match(requestsOf({ ...event, entity: [{ query: long }] }), [{ resource: { id: 'Observation?' } }])
})

t.test('several records in one event are one access each, under ids of their own', async (t) => {
  const event = r5Event('7', {
    entity: [entity('ImagingStudy/1'), entity('ImagingStudy/2'), entity('ImagingStudy/1/_history/3'), entity('Patient/p-1')],
  })
  const requests = requestsOf(event)
  t.same(
    requests.map(({ resource, requestId }) => [resource?.id, requestId]),
    [
      ['1', eventRequestId('fhir', '7', 0)],
      ['2', eventRequestId('fhir', '7', 1)],
    ],
  )
  t.equal(new Set(requests.map(({ requestId }) => requestId)).size, 2)
})

t.test('identifiers are taken over bare or whole, and those of other servers always whole', async (t) => {
  const whole = { ...strict, ids: 'reference' as const }
  t.match(requestsOf(r4Event('1'), whole), [
    { subject: { id: 'Practitioner/d-17' }, resource: { id: 'ImagingStudy/img-1', patientId: 'Patient/p-1' } },
  ])
  const foreign = r5Event('1', { patient: reference('https://other.example/fhir/Patient/5/_history/2') })
  for (const context of [strict, whole])
    t.match(requestsOf(foreign, context), [{ resource: { patientId: 'https://other.example/fhir/Patient/5' } }])
})

t.test('lenient fills in what an access does not depend on, and lists it', async (t) => {
  const step = { code: { coding: [{ system: 'RadLex', code: 'RID45814' }] }, unheard: {} }
  const result = became(without(r5Event('1', step), 'recorded', 'source', 'authorization', 'entity'), lenient)
  t.match(result, { kind: 'accesses' })
  t.same(result.kind === 'accesses' ? [...result.filled, ...result.leftOut].map(({ field, value }) => [field, value]) : [], [
    ['recorded', 'unknown'],
    ['source.observer', 'fhir'],
    ['entity.what', 'AuditEvent/1'],
    ['resource_type', 'appointment'],
    ['authorization', 'UNSTATED'],
    ['unheard', ''],
  ])
  t.match(reasons(without(r5Event('1'), 'patient', 'entity'), lenient).join('; '), /code says no resource_type/)
})

t.test('lenient lists an agent that is not marked, and takes nothing from a case that says two things', async (t) => {
  const unmarked = r4Event('1', { agent: [{ who: reference('Practitioner/d-17') }, { requestor: false }] })
  t.match(became(unmarked, lenient), {
    kind: 'accesses',
    filled: [{ field: 'agent[0].requestor', value: 'unknown' }],
    leftOut: { length: 0 },
  })
  const one = { kind: 'one' as const, resource: { type: 'Patient', id: 'p-9', reference: 'Patient/p-9' } }
  const surrogate = { type: 'CarePlan', id: '2', reference: 'CarePlan/2' }
  const inCase = (patient: Case['patient'], subject: Case['subject']): EventContext => ({
    ...strict,
    lenient: { case: { patient, subject, surrogate } },
  })
  const bare = without(r5Event('1'), 'patient')
  t.match(requestsOf(bare, inCase(one, one)), [{ resource: { patientId: 'p-9' } }])
  t.match(requestsOf(bare, inCase({ kind: 'none' }, one)), [{ resource: { patientId: 'CarePlan/2' } }])
  t.same(reasons(bare, inCase({ kind: 'several' }, one)), ['patient is missing, and its case names several'])
  t.match(requestsOf(r5Event('1'), inCase({ kind: 'several' }, one)), [{ resource: { patientId: 'p-1' } }], 'what it says itself holds')
  t.same(reasons(without(r5Event('1'), 'agent'), inCase(one, { kind: 'several' })), [
    'agent names nobody, and its case names several people',
  ])
})

t.test('lenient never takes what is wrong for something else', async (t) => {
  for (const over of [{ recorded: 'yesterday' }, { occurredDateTime: '2026' }, { agent: [] }, { outcome: { code: {} } }, { id: '' }]) {
    t.match(became(r5Event('1', over as JsonEvent), lenient), { kind: 'refused' }, JSON.stringify(over))
  }
})

t.test('any valid event is exactly the access that it says', async () => {
  const id = fc.stringMatching(/^[A-Za-z0-9\-.]{1,20}$/)
  const types = {
    ImagingStudy: 'imaging',
    Observation: 'medical_history',
    Procedure: 'treatment_record',
    DiagnosticReport: 'lab_report',
  } as const
  const actions = { read: ['R', 'read'], create: ['C', 'create'], update: ['U', 'update'], delete: ['D', 'delete'] } as const
  const arbitrary = fc.record({
    id,
    who: id,
    patient: id,
    record: id,
    type: fc.constantFrom(...(Object.keys(types) as (keyof typeof types)[])),
    action: fc.constantFrom(...(Object.keys(actions) as (keyof typeof actions)[])),
    purpose: fc.constantFrom('TREAT', 'HPAYMT', undefined),
    at: fc.integer({ min: 0, max: 4_000_000_000_000 }),
    offset: fc.integer({ min: -13 * 60, max: 13 * 60 }),
  })
  /** The same instant on a clock with this offset. */
  const local = (at: number, offset: number): string => {
    const size = Math.abs(offset)
    const zone = `${offset < 0 ? '-' : '+'}${String(Math.trunc(size / 60)).padStart(2, '0')}:${String(size % 60).padStart(2, '0')}`
    return `${new Date(at + offset * 60_000).toISOString().slice(0, -1)}${zone}`
  }
  fc.assert(
    fc.property(arbitrary, (given) => {
      const [letter, action] = actions[given.action]
      const event = r4Event(given.id, {
        recorded: local(Math.max(given.at, 50_000_000), given.offset),
        action: letter,
        subtype: [{ system: 'http://hl7.org/fhir/restful-interaction', code: given.action }],
        agent: [{ who: reference(`Practitioner/${given.who}`), requestor: true }],
        entity: [entity(`${given.type}/${given.record}`), entity(`Patient/${given.patient}`)],
      })
      const stated =
        given.purpose === undefined
          ? without(event, 'purposeOfEvent')
          : { ...event, purposeOfEvent: [{ coding: [{ code: given.purpose }] }] }
      const [request, ...more] = requestsOf(stated)
      return (
        more.length === 0 &&
        request !== undefined &&
        request.subject?.id === given.who &&
        request.action?.name === action &&
        request.resource?.type === types[given.type] &&
        request.resource.id === given.record &&
        request.resource.patientId === given.patient &&
        request.purpose === (given.purpose ?? '') &&
        request.occurredAt !== undefined &&
        timestampMs(request.occurredAt) === Math.max(given.at, 50_000_000)
      )
    }),
  )
})

t.test('anything at all is accesses, a refusal or no access, and never an error', async () => {
  const members = fc.dictionary(
    fc.constantFrom(...Object.keys(r4Event('1')), ...Object.keys(r5Event('1')), 'meta', 'period', 'outcome'),
    fc.jsonValue(),
  )
  fc.assert(
    fc.property(members, fc.boolean(), (over, gently) => {
      became({ ...r5Event('1'), ...over }, gently ? lenient : strict)
      became({ ...over, resourceType: 'AuditEvent' }, gently ? lenient : strict)
      return true
    }),
    { numRuns: 500 },
  )
})
