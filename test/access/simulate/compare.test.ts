import t from 'tap'
import type { AccessRequest } from '../../../services/access/decide.ts'
import type { Permission } from '../../../services/access/events.ts'
import { type Asked, compare } from '../../../services/access/simulate/compare.ts'
import { createClinicFold, noon, permission, question, role, staff } from '../../support/clinic-fold.ts'

const anna = staff('anna')

/** A clinic where anna holds a role with just these permissions. */
const having = (...permissions: readonly Permission[]) => {
  const clinic = createClinicFold()
  clinic.define(role('viewer', permissions))
  clinic.define(role('other', [{ ...permission('imaging', 'read'), condition: 'subject.properties.unheard == "of"' }]))
  clinic.enrol(anna)
  clinic.grant(anna, 'viewer')
  return clinic.state
}

const plain = permission('imaging', 'read')
const onStatus = (effect: Permission['effect'] = 'permit', purposes: readonly string[] = []): Permission => ({
  ...permission('imaging', 'read', { id: 'conditional', effect, purposes }),
  condition: 'resource.properties.status == "final"',
})

const recorded = (known: readonly string[], rest: Partial<AccessRequest> = {}, obligationsKept = true): Asked => ({
  request: question(anna, 'imaging', 'read', rest),
  recorded: { known: new Set(known), obligationsKept },
})

t.test('a condition of either side that could be reached needs what it looks at', async (t) => {
  const missing = { kind: 'attribute_not_kept', attributes: ['resource.properties.status'] }
  t.same(compare(having(plain), having(plain, onStatus()), recorded([]), noon), missing, 'of the proposed one')
  t.same(compare(having(onStatus()), having(plain), recorded([]), noon), missing, 'of the one of today')
  t.same(compare(having(plain), having(plain, onStatus('forbid')), recorded([]), noon), missing, 'that forbids')
  t.same(compare(having(plain), having(plain, onStatus()), recorded(['resource.properties.status']), noon), { kind: 'same' })
  t.same(compare(having(plain), having(plain, onStatus()), recorded(['resource.properties']), noon), { kind: 'same' }, 'kept as a part')
  t.same(compare(having(plain), having(plain, onStatus()), recorded(['resource.properties.stat']), noon), missing)
})

t.test('one that speaks of another action, purpose or role is not reached', async (t) => {
  t.same(compare(having(plain), having(plain, { ...onStatus(), actions: ['update'] }), recorded([]), noon), { kind: 'same' })
  t.same(compare(having(plain), having(plain, onStatus('permit', ['HPAYMT'])), recorded([]), noon), { kind: 'same' })
  t.match(compare(having(plain), having(plain, onStatus('permit', ['HPAYMT'])), recorded([], { purpose: 'HPAYMT' }), noon), {
    kind: 'attribute_not_kept',
  })
})

t.test('of a question of now everything is known', async (t) => {
  const asked = { request: question(anna, 'imaging', 'read') }
  t.match(compare(having(plain), having(onStatus()), asked, noon), { kind: 'changed', proposed: { reasonCode: 'condition_error' } })
})

t.test('where duties are concerned the entry must say which the caller carried out', async (t) => {
  const masked = permission('imaging', 'read', { bounds: [{ kind: 'mask', codes: [] }] })
  t.same(compare(having(plain), having(masked), recorded([], {}, false), noon), { kind: 'obligations_not_kept' })
  t.same(compare(having(plain), having(plain), recorded([], {}, false), noon), { kind: 'same' })
  t.match(compare(having(plain), having(masked), recorded([]), noon), {
    kind: 'changed',
    proposed: { reasonCode: 'obligation_unsupported' },
  })
})

t.test('another rule with the same answer is no change, other duties are one', async (t) => {
  const supportedObligations = new Set(['mask', 'fields'])
  const masked = (codes: readonly string[], id = 'm') => permission('imaging', 'read', { id, bounds: [{ kind: 'mask', codes }] })
  t.same(compare(having(plain), having({ ...plain, id: 'renamed' }), recorded([]), noon), { kind: 'same' })
  t.same(compare(having(masked(['a'])), having(masked(['a'], 'n')), recorded([], { supportedObligations }), noon), { kind: 'same' })
  t.match(compare(having(masked(['a'])), having(masked(['a', 'b'])), recorded([], { supportedObligations }), noon), { kind: 'changed' })
})

t.test('a recorded decision sees the moment it was made at', async (t) => {
  const morning: Permission = { ...plain, condition: 'context.time < timestamp("2026-11-23T11:00:00Z")' }
  const stated = { caller: 'tests', override: false, recordedAt: noon - 2 * 3_600_000 }
  t.same(compare(having(plain), having(morning), recorded([], { stated }), noon), { kind: 'same' })
  t.match(compare(having(plain), having(morning), recorded([], { stated: { ...stated, recordedAt: noon } }), noon), { kind: 'changed' })
})
