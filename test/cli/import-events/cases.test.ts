import t from 'tap'
import { type AuditEvent, auditEventOf } from '../../../cli/import-events/audit-event.ts'
import { createCases } from '../../../cli/import-events/cases.ts'
import { actorOf } from '../../../cli/import-events/who-and-whom.ts'

interface Short {
  readonly plan?: string
  readonly encounter?: string
  readonly patient?: string
  readonly who?: string
}

const event = ({ plan, encounter, patient, who }: Short): AuditEvent =>
  auditEventOf('R5', {
    ...(plan === undefined ? {} : { basedOn: [{ reference: `CarePlan/${plan}` }] }),
    ...(encounter === undefined ? {} : { encounter: { reference: `Encounter/${encounter}` } }),
    ...(patient === undefined ? {} : { patient: { reference: `Patient/${patient}` } }),
    ...(who === undefined ? {} : { agent: [{ who: { reference: `Practitioner/${who}` } }] }),
  })

/** `patient|subject|surrogate` of each event's case; empty for one that has none. */
const told = (...events: readonly Short[]): readonly string[] => {
  const cases = createCases()
  const read = events.map(event)
  for (const [index, one] of read.entries()) {
    const actor = actorOf(one)
    cases.note(index + 1, one, actor.kind === 'one' ? actor.who : undefined)
  }
  return read.map((one, index) => {
    const found = cases.caseOf(index + 1, one)
    if (found === undefined) return ''
    return [found.patient, found.subject]
      .map((each) => (each.kind === 'one' ? each.resource.id : each.kind))
      .concat(found.surrogate.reference)
      .join('|')
  })
}

t.test('events that share a plan or an encounter are one case, however long the chain', async (t) => {
  t.same(
    told(
      { plan: '1', who: 'a' },
      { plan: '1', encounter: '2' },
      { encounter: '2' },
      { encounter: '2', plan: '3' },
      { plan: '3', patient: 'p' },
    ),
    Array(5).fill('p|a|CarePlan/1'),
  )
  t.same(told({ encounter: '2' }, { plan: '1' }), ['none|none|Encounter/2', 'none|none|CarePlan/1'], 'and others are not')
  t.same(told({ encounter: '2', who: 'a' }, { plan: '1' }, { plan: '1', encounter: '2' }), Array(3).fill('none|a|CarePlan/1'))
})

t.test('a case that says two things says nothing', async (t) => {
  t.same(told({ plan: '1', patient: 'p' }, { plan: '1', patient: 'q' }, { plan: '1' }), Array(3).fill('several|none|CarePlan/1'))
  t.same(
    told({ plan: '1', who: 'a' }, { plan: '2', who: 'b' }, { plan: '1', encounter: '3' }, { plan: '2', encounter: '3' }),
    Array(4).fill('none|several|CarePlan/1'),
  )
})

t.test('an event that names no case belongs to the one on both sides of it, and to none on the border of two', async (t) => {
  t.equal(told({ plan: '1' }, {}, {}, { plan: '1' })[1], 'none|none|CarePlan/1')
  t.equal(told({ plan: '1' }, {}, { plan: '2' })[1], '')
  t.equal(told({}, { plan: '1' })[0], '', 'nothing stands before it')
  t.equal(told({ plan: '1' }, {})[1], '', 'nothing stands after it')
  t.equal(told({ plan: '1' }, { patient: 'p' }, {}, { plan: '1' })[2], '', 'an event of some patient lies between')
  t.equal(told({ plan: '1' }, {}, { encounter: '2' }, { plan: '1', encounter: '2' })[1], 'none|none|CarePlan/1', 'two names of one case')
})
