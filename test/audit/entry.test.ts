import t from 'tap'
import { type EntryDraft, entryId, entryTime, openEnvelope, sealEnvelope } from '../../services/audit/entry.ts'
import { maxEntryBytes } from '../../services/audit/ledger.ts'
import { fault } from '../support/fault.ts'

const draft: EntryDraft = {
  clinic: 'north',
  id: entryId('north', 'check', '00000000-0000-4000-8000-000000000001', 0),
  type: 'chartwarden.access.decided.v1',
  stateChanging: false,
  time: Date.UTC(2026, 10, 22, 8, 30, 0, 7),
  provenance: { caller: 'practice-software', correlationId: 'c-1' },
  requestDigest: new Uint8Array(32).fill(7),
  salt: new Uint8Array(16).fill(9),
  data: { decision: 'permit', a: 'ä', roles: ['dentist'] },
}

t.test('an entry has exactly these bytes for ever', async (t) => {
  const { bytes } = sealEnvelope(draft)
  t.equal(
    Buffer.from(bytes).toString('utf8'),
    `{"caller":"practice-software","correlationid":"c-1","data":{"a":"ä","decision":"permit","roles":["dentist"]},"datacontenttype":"application/json","id":"${draft.id}","requestdigest":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=","salt":"CQkJCQkJCQkJCQkJCQkJCQ==","source":"/clinics/north","specversion":"1.0","time":"2026-11-22T08:30:00.007Z","type":"chartwarden.access.decided.v1"}`,
  )
  t.equal(openEnvelope(bytes).data.decision, 'permit')
  t.equal(entryTime(bytes), openEnvelope(bytes).time)
})

t.test('the id of an entry never changes', async (t) => {
  t.equal(draft.id, '93e34f6e-2d08-5c17-954e-63d6b3932b23')
  t.not(entryId('south', 'check', '00000000-0000-4000-8000-000000000001', 0), draft.id, 'another clinic')
  t.not(entryId('north', 'record_access', '00000000-0000-4000-8000-000000000001', 0), draft.id, 'another operation')
  t.not(entryId('north', 'check', '00000000-0000-4000-8000-000000000001', 1), draft.id, 'another ordinal')
})

t.test('what a tile cannot hold or JSON cannot carry is refused', async (t) => {
  t.throws(() => sealEnvelope({ ...draft, data: { big: 'x'.repeat(maxEntryBytes) } }), fault('ENTRY_TOO_LARGE'))
  t.throws(() => sealEnvelope({ ...draft, data: { number: Number.NaN } }), fault('INVALID_ARGUMENT'))
  t.throws(() => sealEnvelope({ ...draft, data: { text: '\ud800' } }), fault('INVALID_ARGUMENT'))
})

t.test('the largest entry that a tile can hold is taken', async (t) => {
  const empty = sealEnvelope({ ...draft, data: { big: '' } }).bytes.length
  t.equal(sealEnvelope({ ...draft, data: { big: 'x'.repeat(maxEntryBytes - empty) } }).bytes.length, maxEntryBytes)
})

t.test('the time is read right whatever the data holds', async (t) => {
  const data = { time: '"time":"1999-01-01T00:00:00.000Z"', nested: { time: '1999-01-01T00:00:00.000Z' } }
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const { bytes } = sealEnvelope({ ...draft, data, provenance: { caller: '"time":"x', traceparent } })
  t.equal(entryTime(bytes), '2026-11-22T08:30:00.007Z')
})
