/** FHIR AuditEvents for tests: valid ones, and the real ones with what their README says of them. */
import { readFileSync } from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '../..')

/** 827 events of one mammography pathway, none of them valid. */
export const realEventsFile = path.join(root, 'test/fixtures/events/fhir-auditevents.ndjson')
export const mammographyMapping = path.join(root, 'docs/examples/mammography-mapping.csv')

export type Json = { [name: string]: Json } | Json[] | string | number | boolean | null
export type JsonEvent = { [name: string]: Json }

export const realEvents = (): readonly JsonEvent[] =>
  readFileSync(realEventsFile, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as JsonEvent)

const rest = 'http://hl7.org/fhir/restful-interaction'

/** A valid R4 event of IHE BALP's PatientRead, of an image. */
export const r4Event = (id: string, over: JsonEvent = {}): JsonEvent => ({
  resourceType: 'AuditEvent',
  id,
  type: { system: 'http://terminology.hl7.org/CodeSystem/audit-event-type', code: 'rest', display: 'Restful Operation' },
  subtype: [{ system: rest, code: 'read', display: 'read' }],
  action: 'R',
  recorded: '2026-03-02T09:30:00+01:00',
  outcome: '0',
  purposeOfEvent: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'TREAT' }] }],
  agent: [
    { who: { reference: 'Device/pacs' }, requestor: false, network: { address: '192.0.2.7', type: '2' } },
    { who: { reference: 'Practitioner/d-17' }, requestor: true },
  ],
  source: { observer: { reference: 'Device/pacs' } },
  entity: [
    { what: { reference: 'ImagingStudy/img-1' }, type: { system: 'http://terminology.hl7.org/CodeSystem/audit-entity-type', code: '2' } },
    {
      what: { reference: 'Patient/p-1' },
      type: { system: 'http://terminology.hl7.org/CodeSystem/audit-entity-type', code: '1' },
      role: { system: 'http://terminology.hl7.org/CodeSystem/object-role', code: '1' },
    },
  ],
  ...over,
})

/** The same as R5 writes it. */
export const r5Event = (id: string, over: JsonEvent = {}): JsonEvent => ({
  resourceType: 'AuditEvent',
  id,
  category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/audit-event-type', code: 'rest' }] }],
  code: { coding: [{ system: rest, code: 'read' }], text: 'Open\nimage' },
  action: 'R',
  occurredDateTime: '2026-03-02T09:30:00+01:00',
  recorded: '2026-03-02T09:30:01+01:00',
  authorization: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'TREAT' }] }],
  patient: { reference: 'Patient/p-1' },
  agent: [{ who: { reference: 'Practitioner/d-17' }, requestor: true }],
  source: { observer: { reference: 'Device/pacs' } },
  entity: [{ what: { reference: 'ImagingStudy/img-1' } }],
  ...over,
})

/** Without some of its members. */
export const without = (event: JsonEvent, ...names: readonly string[]): JsonEvent =>
  Object.fromEntries(Object.entries(event).filter(([name]) => !names.includes(name)))

export const ndjson = (...events: readonly unknown[]): string => events.map((event) => `${JSON.stringify(event)}\n`).join('')
