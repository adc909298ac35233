import fc from 'fast-check'
import t from 'tap'
import type { AccessRequest, StatedAttributes } from '../../services/access/decide.ts'
import { keptAttributes } from '../../services/access/kept-attributes.ts'
import { canonicalJson, type JsonValue } from '../../services/kernel/canonical-json.ts'
import { createClinicFold, noon, patient, permission, question, record, role, staff } from '../support/clinic-fold.ts'

const anna = staff('anna')

const clinicWith = (...conditions: readonly string[]) => {
  const clinic = createClinicFold()
  clinic.enrol(anna)
  clinic.define(
    role(
      'viewer',
      conditions.map((condition, index) => ({ ...permission('imaging', 'read'), id: `view.${index}`, condition })),
    ),
  )
  return clinic
}

const asks = (stated: Partial<StatedAttributes> = {}): AccessRequest => ({
  ...question(anna, 'imaging', 'read'),
  patient: patient('1'),
  record: record('imaging', '1'),
  stated: { caller: 'tests', override: false, ...stated },
})

t.test('a policy that names nothing keeps nothing', async (t) => {
  const stated = { resource: { status: 'x' }, subject: { a: 1 }, action: { b: 2 }, context: { c: 3 } }
  t.same(keptAttributes(clinicWith('subject.type == "staff" && context.purpose == "TREAT"').state, asks(stated), noon), {})
})

t.test('named attributes are kept by path, the others not', async (t) => {
  const { state } = clinicWith(
    'resource.properties.status == "a" && has(action.properties.kind)',
    'context.place == "a" || subject.properties["odd-name"] == 1',
  )
  t.same(
    keptAttributes(
      state,
      asks({
        resource: { status: 'draft', secret: 'x' },
        action: { kind: 'print', secret: 'x' },
        subject: { 'odd-name': 7, odd: { name: 8 } },
        context: { secret: 'x', time: 'never', caller: 'me' },
      }),
      noon,
    ),
    {
      attributes: { 'resource.properties.status': 'draft', 'action.properties.kind': 'print', 'subject.properties.odd-name': 7 },
      absent: ['context.place'],
    },
  )
})

t.test('stored and stated values are kept as the condition sees them', async (t) => {
  const clinic = clinicWith('subject.properties.shift == "a" && resource.properties.confidentiality == "N"')
  clinic.apply('chartwarden.subject.described.v1', { subject: anna, properties: { shift: 'night' } })
  clinic.apply('chartwarden.resource.described.v1', {
    resource_type: 'patient',
    record: patient('1'),
    patient: patient('1'),
    confidentiality: 'R',
    sensitivities: ['PSY'],
    properties: {},
  })
  const stated = { subject: { shift: 'day' }, resource: { confidentiality: 'L', sensitivities: ['HIV'] } }
  t.same(keptAttributes(clinic.state, asks(stated), noon).attributes, {
    'subject.properties.shift': 'night',
    'resource.properties.confidentiality': 'R',
    'resource.properties.sensitivities': ['HIV'],
  })
  t.same(keptAttributes(clinic.state, asks({ ...stated, override: true }), noon).attributes, {
    'subject.properties.shift': 'day',
    'resource.properties.confidentiality': 'L',
    'resource.properties.sensitivities': ['HIV'],
  })
})

t.test('labels are kept when they were stated, named or not', async (t) => {
  const { state } = createClinicFold()
  t.same(keptAttributes(state, asks({ resource: { confidentiality: 'R', other: 'x' } }), noon), {
    attributes: { 'resource.properties.confidentiality': 'R' },
  })
  t.same(keptAttributes(state, asks({ resource: { other: 'x' } }), noon), {})
})

t.test('whatever is stated, what is kept stays small and every named path is accounted for', async () => {
  const names = Array.from({ length: 90 }, (_, index) => `n${index}_${'x'.repeat(40)}`)
  const conditions = [0, 30, 60].map((start) =>
    names
      .slice(start, start + 30)
      .map((name) => `context.${name} == "a"`)
      .join(' || '),
  )
  const { state } = clinicWith(...conditions)
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), fc.string({ maxLength: 1_500, unit: 'grapheme' })), (context) => {
      const kept = keptAttributes(state, asks({ context }), noon)
      const accounted = [...Object.keys(kept.attributes ?? {}), ...(kept.absent ?? []), ...(kept.too_long ?? [])]
      const bytes = Buffer.byteLength(canonicalJson(kept as JsonValue))
      return bytes < 13_000 && new Set(accounted).size === names.length && accounted.length === names.length
    }),
    { numRuns: 50 },
  )
})

t.test('that a policy names more than an entry can hold is said', async (t) => {
  const conditions = Array.from({ length: 15 }, (_, row) =>
    Array.from({ length: 20 }, (_, index) => `context.n${row}_${index}_${'x'.repeat(50)} == "a"`).join(' || '),
  )
  const kept = keptAttributes(clinicWith(...conditions).state, asks(), noon)
  t.equal(kept.incomplete, true)
  t.ok((kept.absent ?? []).length > 100)
  t.ok(Buffer.byteLength(canonicalJson(kept as JsonValue)) < 13_000)
})
