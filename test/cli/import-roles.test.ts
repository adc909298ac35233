import fc from 'fast-check'
import t from 'tap'
import { importRequestId, putImportedRole, putImportedRoles } from '../../cli/import-roles.ts'
import type { RoleDefinition } from '../../services/access/policy/roles.ts'
import { ChartwardenError, type ErrorReason } from '../../services/kernel/errors.ts'
import { isUuid } from '../../services/kernel/ids.ts'

const role = (title: string): RoleDefinition => ({ role: 'front', title, inherits: [], permissions: [] })

t.test('equal content gives an equal request id, and anything else another', async () => {
  const someone = fc.option(fc.record({ type: fc.constant('staff'), id: fc.string() }), { nil: undefined })
  const content = fc.tuple(fc.stringMatching(/^[a-z]{1,8}$/), fc.string({ unit: 'grapheme' }), someone, fc.nat({ max: 3 }))
  fc.assert(
    fc.property(content, content, ([clinicA, titleA, personA, attemptA], [clinicB, titleB, personB, attemptB]) => {
      const a = importRequestId(clinicA, role(titleA), personA, attemptA)
      const b = importRequestId(clinicB, role(titleB), personB, attemptB)
      const same = JSON.stringify([clinicA, titleA, personA, attemptA]) === JSON.stringify([clinicB, titleB, personB, attemptB])
      return isUuid(a) && (a === b) === same && a === importRequestId(clinicA, role(titleA), personA, attemptA)
    }),
  )
})

/** Answers PutRole by request id: a reason, or a success. */
const policyThat = (answer: (call: number) => ErrorReason | 'stored' | 'replayed') => {
  const ids: string[] = []
  const policy = {
    putRole: async ({ requestId }: { requestId: string }) => {
      ids.push(requestId)
      const outcome = answer(ids.length)
      if (outcome !== 'stored' && outcome !== 'replayed') throw new ChartwardenError(outcome)
      return { replayed: outcome === 'replayed', entry: { revision: 7n } }
    },
  } as unknown as Parameters<typeof putImportedRole>[0]['policy']
  return { policy, ids }
}

t.test('a repeat is unchanged', async (t) => {
  const { policy } = policyThat(() => 'replayed')
  t.match(await putImportedRole({ policy, clinic: 'c', role: role('x') }), { outcome: 'unchanged', revision: 7n })
})

t.test('what was replaced since, or imported by another caller, is put again under the next id', async (t) => {
  const { policy, ids } = policyThat((call) => (['STALE_REQUEST', 'REQUEST_MISMATCH', 'stored'] as const)[call - 1] ?? 'INTERNAL')
  t.match(await putImportedRole({ policy, clinic: 'c', role: role('x') }), { outcome: 'defined' })
  t.strictSame(
    ids,
    [1, 2, 3].map((attempt) => importRequestId('c', role('x'), undefined, attempt)),
  )
})

t.test('any other refusal names the role and is not tried again', async (t) => {
  const { policy, ids } = policyThat(() => 'ROLE_RESERVED')
  await t.rejects(putImportedRole({ policy, clinic: 'c', role: role('x') }), { reason: 'ROLE_RESERVED', message: /"front"/ })
  t.equal(ids.length, 1)
})

t.test('a refusal in the middle names what is in force by then, and nothing after it is put', async (t) => {
  const { policy, ids } = policyThat((call) => (call < 3 ? 'stored' : 'NOT_PERMITTED'))
  const roles = ['a', 'b', 'c', 'd'].map((name) => ({ ...role(name), role: name }))
  const put: string[] = []
  const all = async () => {
    for await (const one of putImportedRoles({ policy, clinic: 'c', roles })) put.push(one.role.role)
  }
  await t.rejects(all(), { reason: 'NOT_PERMITTED', message: /"c".*In force already: a, b;/ })
  t.strictSame(put, ['a', 'b'])
  t.equal(ids.length, 3)
  const first = policyThat(() => 'NOT_PERMITTED')
  await t.rejects(putImportedRoles({ policy: first.policy, clinic: 'c', roles }).next(), { message: /^(?!.*In force)/ })
})
