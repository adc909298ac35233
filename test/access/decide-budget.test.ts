/** What all conditions of one decision may cost together. */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { type AccessRequest, type Consulted, decide } from '../../services/access/decide.ts'
import { conditionLimits } from '../../services/access/policy/conditions/limits.ts'
import { at, type ClinicFold, createClinicFold, noon, patient, permission, record, role, staff } from '../support/clinic-fold.ts'
import { compiled } from '../support/condition-facts.ts'

const anna = staff('anna')
const request: AccessRequest = {
  subject: anna,
  action: 'read',
  resourceType: 'imaging',
  record: record('imaging', '1'),
  patient: patient('p'),
  purpose: 'TREAT',
  supportedObligations: new Set(),
}

/** True or false at once, and allowed to cost so much. */
const loops = 'context.a.all(x, context.b.all(y, x == y))'
const costly = { permit: `true || ${loops}`, forbid: `false && ${loops}` } as const
const each = compiled(costly.permit).cost
const most = Math.floor(conditionLimits.decisionCost / each)

const conditional = (id: string, effect: 'permit' | 'forbid' = 'permit', condition: string = costly[effect], purposes = ['TREAT']) => ({
  ...permission('imaging', 'read', { id, effect }),
  purposes,
  condition,
})

const clinicWith = (define: (clinic: ClinicFold) => void): ClinicFold => {
  const clinic = createClinicFold()
  clinic.enrol(anna)
  define(clinic)
  return clinic
}

t.test('a decision evaluates as many conditions as it has a budget for, and with one more permits nothing', async (t) => {
  const holding = (count: number) =>
    clinicWith((clinic) => {
      clinic.define(role('plain', [permission('imaging', 'read')]))
      clinic.grant(anna, 'plain')
      for (let index = 0; index < count; index += 1) {
        clinic.define(role(`r${index}`, [conditional('p')]))
        clinic.grant(anna, `r${index}`)
      }
    })
  t.ok(most >= 2 && each <= conditionLimits.cost)
  t.match(decide(holding(most).state, request, noon), { decision: 'permit', rule: 'role/plain#imaging.read' })
  const beyond = decide(holding(most + 1).state, request, noon)
  t.match(beyond, { decision: 'deny', reasonCode: 'condition_error', rule: '', obligations: { length: 0 } })
  t.equal(beyond.roles.length, most + 2, 'and still names every role in force')
  t.match(decide(holding(most + 1).state, { ...request, purpose: 'HPAYMT' }, noon), { rule: 'role/plain#imaging.read' }, 'asked of none')
})

t.test('an emergency does not override it, and says so nowhere else than a forbid would', async (t) => {
  const clinic = clinicWith((one) => {
    one.define(
      role(
        'r',
        Array.from({ length: most + 1 }, (_, index) => conditional(`p${index}`, 'permit', costly.permit, [])),
      ),
    )
    one.grant(anna, 'r')
    const when = { until: at(noon + 100), review_due: at(noon + 200) }
    one.apply('chartwarden.emergency.opened.v1', { subject: anna, patient: patient('p'), purpose: 'BTG', ...when }, noon - 100)
  })
  const told: Consulted[] = []
  const answer = decide(clinic.state, { ...request, purpose: 'BTG' }, noon, (one) => told.push(one))
  t.match(answer, { decision: 'deny', reasonCode: 'condition_error', rule: '' })
  t.match(told.at(-1), { step: 'forbid', rule: '', outcome: 'refuses', reasonCode: 'condition_error' })
})

const permissions = fc.array(
  fc.record({
    effect: fc.constantFrom('permit' as const, 'permit' as const, 'forbid' as const),
    condition: fc.constantFrom<'costly' | 'cheap' | 'none'>('costly', 'costly', 'costly', 'cheap', 'none'),
    purposes: fc.constantFrom<string[]>(['TREAT'], ['HPAYMT'], []),
  }),
  { maxLength: 3, size: 'max' },
)
const drafts = fc.array(permissions, { minLength: 2, maxLength: 4, size: 'max' })

t.test('whether the budget is kept depends on no order of roles, permissions and grants, and on nothing reached twice', async (t) => {
  const counts = { kept: 0, exceeded: 0 }
  fc.assert(
    fc.property(drafts, fc.array(fc.nat(3), { maxLength: 6 }), fc.boolean(), (roles, held, heirs) => {
      const answer = (order: <Item>(items: readonly Item[]) => readonly Item[]) =>
        decide(
          clinicWith((clinic) => {
            const named = roles.map((rules, index) => ({
              name: `r${index}`,
              rules: rules.map((rule, place) => ({ ...rule, id: `p${place}` })),
            }))
            for (const { name, rules } of order(named)) {
              const made = order(rules).map(({ id, effect, condition, purposes }) =>
                condition === 'none'
                  ? { ...permission('imaging', 'read', { id, effect: 'permit' }), purposes }
                  : conditional(id, effect, condition === 'cheap' ? `${effect === 'permit'}` : costly[effect], purposes),
              )
              clinic.define(role(name, made))
            }
            // What they inherit is reached twice by whoever holds both.
            clinic.define({ ...role('heir', []), inherits: order(named.map(({ name }) => name)) })
            for (const index of order(held)) if (index < roles.length) clinic.grant(anna, `r${index}`)
            if (heirs) clinic.grant(anna, 'heir')
          }).state,
          request,
          noon,
        )
      const forwards = answer((items) => items)
      const reached = roles.filter((_, index) => heirs || held.includes(index)).flat()
      const asked = reached.filter(({ purposes, condition }) => condition === 'costly' && !purposes.includes('HPAYMT')).length
      const exceeded = forwards.reasonCode === 'condition_error'
      counts[exceeded ? 'exceeded' : 'kept'] += 1
      return (
        exceeded === asked > most &&
        isDeepStrictEqual(
          forwards,
          answer((items) => items.toReversed()),
        )
      )
    }),
    { numRuns: 2_000 },
  )
  t.ok(counts.kept > 100 && counts.exceeded > 100, JSON.stringify(counts))
})
