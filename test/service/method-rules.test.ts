/**
 * The published table of method → scope → what the named person needs, held to row by row over gRPC: without its scope a method is refused;
 * a person without the permission is refused and recorded; with just that permission the person is not.
 */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { ChartwardenError } from '../../services/kernel/errors.ts'
import { type MethodName, type MethodRule, methodRules, type Scope, scopes } from '../../services/kernel/scopes.ts'
import { clientsOf, staff } from '../support/clinic.ts'
import { methodCalls, nothingStanding, putTailoredRole, registerCalledClinic, restoreStanding } from '../support/method-calls.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { ownScopes, startTestService } from '../support/service.ts'

const clinic = 'north'

/** The reason of the refusal, or "done". */
const outcome = (call: () => Promise<unknown>): Promise<string> =>
  call().then(
    () => 'done',
    (error: ChartwardenError) => error.reason,
  )

t.test('the table of methods is what the service does', async (t) => {
  const database = await createTestDatabase(t)
  const service = await startTestService(t, { database })
  const with_ = async (given: readonly Scope[]) => clientsOf(service, await service.token({ clinics: [clinic], scopes: given }))
  const own = await with_(ownScopes)
  await registerCalledClinic(own, clinic)
  for (const id of ['nobody-much', 'manager']) await own.people.enrolStaff({ requestId: randomUUID(), clinic, subject: staff(id) })
  const put = (role: string, resourceType: string, action: string) => putTailoredRole(own, clinic, role, resourceType, action)
  const acting = await with_(Object.keys(scopes) as Scope[])
  for (const [method, rule] of Object.entries(methodRules) as [MethodName, MethodRule][]) {
    const name = method.split('/')[1] as string
    await t.test(`${name} needs scope ${rule.scope}`, async (t) => {
      const lacking = await with_(ownScopes.filter((scope) => scope !== rule.scope))
      t.equal(await outcome(methodCalls(lacking, clinic, undefined, nothingStanding)[method]), 'SCOPE_MISSING')
      const only = await with_([rule.scope])
      t.not(await outcome(methodCalls(only, clinic, undefined, nothingStanding)[method]), 'SCOPE_MISSING')
    })
    if (rule.person === 'nothing') continue
    const { resourceType, action } =
      typeof rule.person !== 'string'
        ? rule.person
        : rule.person === 'own_or_review'
          ? { resourceType: 'emergency_access', action: 'review' }
          : { resourceType: 'imaging', action: 'share' }
    await t.test(`${name} needs a person who may ${action} ${resourceType}`, async (t) => {
      const standing = await restoreStanding(own, clinic)
      t.equal(await outcome(methodCalls(acting, clinic, undefined, standing)[method]), 'PERSON_REQUIRED')
      t.equal(await outcome(methodCalls(acting, clinic, staff('nobody-much'), standing)[method]), 'NOT_PERMITTED')
      await put('tailored', resourceType, action)
      const granted = await own.people.grantRole({ requestId: randomUUID(), clinic, subject: staff('manager'), role: 'tailored' })
      t.equal(await outcome(methodCalls(acting, clinic, staff('manager'), standing)[method]), 'done')
      await own.people.revokeRole({ requestId: randomUUID(), clinic, subject: staff('manager'), grantId: granted.grantId })
    })
  }
})
