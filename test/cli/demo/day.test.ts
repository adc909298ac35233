import t from 'tap'
import { afterExit, day } from '../../../cli/demo/day.ts'
import { careTeams, enrolments, owner, ownersRoles } from '../../../cli/demo/people.ts'
import { demoRequestId } from '../../../cli/demo/request-ids.ts'
import { builtinRoles } from '../../../services/access/policy/builtin/builtin-roles.ts'
import { reasonCodes } from '../../../services/access/reasons.ts'

const scenes = [...day, afterExit]
const questions = scenes.flatMap((scene) => scene.questions)

t.test('the day has the size and the variety that it promises', async (t) => {
  t.ok(questions.length >= 140 && questions.length <= 170, String(questions.length))
  t.equal(new Set(careTeams.flatMap((team) => team.patients)).size, 12)
  t.equal(enrolments.length + 1, 10)
  t.ok(questions.some((question) => question.probe))
  t.ok(questions.some((question) => question.performed))
  const denials = new Set(questions.map((question) => question.expect).filter((reason) => reason !== 'role_permits'))
  for (const reason of [
    'no_grant',
    'purpose_not_allowed',
    'not_own_patient',
    'not_shared',
    'obligation_unsupported',
    'unknown_subject',
    'offboarded',
  ]) {
    t.ok(denials.has(reason), reason)
  }
})

t.test('every expected answer is a reason that the service gives', async (t) => {
  for (const { expect } of questions) t.ok(Object.hasOwn(reasonCodes, expect), expect)
})

t.test('only what is permitted and not probed is reported as performed', async (t) => {
  for (const question of questions) if (question.performed) t.match(question, { expect: 'role_permits', probe: undefined })
})

t.test('every role that is given is built in', async (t) => {
  const builtin = new Set(builtinRoles().map(({ role }) => role))
  for (const { roles } of enrolments) for (const role of roles) t.ok(builtin.has(role), role)
  for (const { role } of ownersRoles) t.ok(builtin.has(role), role)
  t.notOk(
    enrolments.some(({ person }) => person.type === owner.type && person.id === owner.id),
    'registration makes the owner known',
  )
})

t.test('no two questions share a request id', async (t) => {
  const ids = scenes.flatMap((scene) => scene.questions.map((_, index) => demoRequestId(`check/${scene.name}/${index}`)))
  t.equal(new Set(ids).size, questions.length)
})
