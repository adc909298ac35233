import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { administer } from '../../../services/access/administer.ts'
import { decide } from '../../../services/access/decide.ts'
import type { RoleDraft } from '../../../services/access/policy/role-draft.ts'
import { malformedProposal, type ProposedPolicy, propose } from '../../../services/access/simulate/propose.ts'
import type { ClinicState } from '../../../services/access/state.ts'
import { clinicOf, happenings, moments, requests } from '../../support/arbitrary-clinic.ts'
import { type ClinicFold, createClinicFold, noon, permission, question, role, staff } from '../../support/clinic-fold.ts'

const anna = staff('anna')
const nothing: ProposedPolicy = { putRoles: [], retireRoles: [], settings: undefined }
const settled = { own_record: 'read', open_resource_types: [], protect_every_type: true, consent_to_share: ['*'] }

const draft = (name: string, rest: Partial<RoleDraft> = {}): RoleDraft => ({
  ...role(name, [permission('imaging', 'read', { purposes: ['TREAT'] })]),
  ...rest,
})

const registered = (clinic: ClinicFold): ClinicFold => {
  clinic.apply('chartwarden.clinic.registered.v1', { title: 'North', time_zone: 'UTC', administrator: staff('boss') } as never)
  return clinic
}

const proposals = fc.record({
  putRoles: fc.uniqueArray(fc.constantFrom('r1', 'r2', 'r4'), { maxLength: 2 }).map((names) => names.map((name) => draft(name))),
  retireRoles: fc.uniqueArray(fc.constantFrom('r1', 'r2', 'r3'), { maxLength: 2 }),
  settings: fc.constantFrom(undefined, settled),
})

/** What is derived lazily apart: asking fills it in. */
const facts = ({ roles, ...rest }: ClinicState) => structuredClone({ ...rest, definitions: roles.definitions })

t.test('what is proposed is what would be after the same calls, and the state stays as it was', async (t) => {
  let proposedStates = 0
  fc.assert(
    fc.property(happenings(), proposals, fc.array(requests, { minLength: 5, maxLength: 5 }), moments, (story, proposed, asked, now) => {
      const { state } = registered(clinicOf(story))
      const before = facts(state)
      const proposal = propose(state, proposed, now)
      if (proposal.kind === 'state') for (const request of asked) decide(proposal.state, request, now)
      if (!isDeepStrictEqual(facts(state), before)) return false
      const clinic = registered(clinicOf(story))
      const commands = [
        ...proposed.putRoles.map((one) => ({ kind: 'put_role', role: one }) as const),
        ...proposed.retireRoles.map((one) => ({ kind: 'retire_role', role: one }) as const),
        ...(proposed.settings === undefined ? [] : [{ kind: 'put_settings', settings: proposed.settings } as const]),
      ]
      for (const command of commands) {
        const outcome = administer(clinic.state, command, { scope: 'policy.write' }, now)
        if (outcome.kind !== 'change') return proposal.kind === 'invalid'
        clinic.applyAll(outcome.events, now)
      }
      if (proposal.kind !== 'state') return false
      proposedStates += 1
      return asked.every((request) => isDeepStrictEqual(decide(proposal.state, request, now), decide(clinic.state, request, now)))
    }),
    { numRuns: 500 },
  )
  t.ok(proposedStates > 100, `${proposedStates} proposals that could be put`)
})

t.test('everything that is wrong is named at once, under the name it has in the request', async (t) => {
  const { state } = registered(createClinicFold())
  const wrong: ProposedPolicy = {
    putRoles: [draft('fine'), draft('Wrong Name'), draft('a', { inherits: ['nobody'] })],
    retireRoles: ['fine', 'administrator'],
    settings: { ...settled, own_record: 'always' },
  }
  t.same(
    malformedProposal(wrong).map(({ field }) => field),
    ['proposed.put_roles[1].role', 'proposed.settings.own_record', 'proposed.settings.open_resource_types'].slice(0, 2),
  )
  const proposal = propose(state, wrong, noon)
  t.same(proposal.kind === 'invalid' ? proposal.fields.map(({ field }) => field) : [], [
    'proposed.put_roles[1].role',
    'proposed.put_roles[2].inherits[0]',
    'proposed.retire_roles[1]',
    'proposed.settings.own_record',
  ])
})

t.test('a role that would inherit from itself through another proposed one is refused', async (t) => {
  const { state } = registered(createClinicFold())
  const proposal = propose(
    state,
    { ...nothing, putRoles: [draft('a'), draft('b', { inherits: ['a'] }), draft('a', { inherits: ['b'] })] },
    noon,
  )
  t.match(proposal, { kind: 'invalid', fields: [{ field: 'proposed.put_roles[2]', description: /inherit from itself/ }] })
})

t.test('a role put and retired in one proposal is not in force, and its holders hold nothing of it', async (t) => {
  const clinic = registered(createClinicFold())
  clinic.define(role('viewer', [permission('imaging', 'read')]))
  clinic.enrol(anna)
  clinic.grant(anna, 'viewer')
  const proposal = propose(clinic.state, { ...nothing, putRoles: [draft('viewer')], retireRoles: ['viewer'] }, noon)
  t.equal(proposal.kind, 'state')
  if (proposal.kind !== 'state') return
  t.same(decide(proposal.state, question(anna, 'imaging', 'read'), noon).roles, [])
  t.equal(proposal.state.grants.byId.size, 0)
  t.equal(clinic.state.grants.byId.size, 1)
  t.same(decide(clinic.state, question(anna, 'imaging', 'read'), noon).roles, ['viewer'])
})
