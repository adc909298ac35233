import t from 'tap'
import { exitCodes, outcomeOfGrpcCode } from '../../cli/exit-codes.ts'
import { failureJson, failureOf, failureText } from '../../cli/failure.ts'
import { ChartwardenError, type ErrorReason, errorCatalogue, invalidField } from '../../services/kernel/errors.ts'
import { StartError } from '../../services/kernel/start-error.ts'

const codeOf = (reason: ErrorReason): number => exitCodes[failureOf(new ChartwardenError(reason)).outcome].code

t.test('every outcome has a number of its own', async (t) => {
  const codes = Object.values(exitCodes).map(({ code }) => code)
  t.equal(new Set(codes).size, codes.length)
  t.strictSame(
    codes.toSorted((left, right) => left - right),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    'published numbers stay',
  )
})

t.test('each reason of the catalogue ends with the number that is documented for its kind', async (t) => {
  const expected: Partial<Record<ErrorReason, number>> = {
    INVALID_ARGUMENT: 2,
    REQUEST_MISMATCH: 2,
    TOKEN_MISSING: 4,
    TOKEN_EXPIRED: 4,
    CLINIC_NOT_ALLOWED: 4,
    SCOPE_MISSING: 4,
    NOT_PERMITTED: 4,
    CLINIC_EXISTS: 6,
    SUBJECT_UNKNOWN: 6,
    SUBJECT_FORMER: 6,
    STALE_REQUEST: 6,
    OVERLOADED: 5,
    DEADLINE_EXCEEDED: 5,
    LEDGER_UNAVAILABLE: 5,
    SHUTTING_DOWN: 5,
    INTERNAL: 1,
  }
  for (const [reason, code] of Object.entries(expected)) t.equal(codeOf(reason as ErrorReason), code, reason)
  for (const reason of Object.keys(errorCatalogue) as ErrorReason[]) {
    t.not(codeOf(reason), 0, `${reason} is never success`)
    t.not(codeOf(reason), 3, `${reason} is never an answered deny`)
  }
})

t.test('a code that the service never sends is unexpected', async (t) => {
  t.equal(outcomeOfGrpcCode(2), 'unexpected')
  t.equal(outcomeOfGrpcCode(99), 'unexpected')
})

t.test('an unknown error keeps its sentence and loses its stack', async (t) => {
  const text = failureText(failureOf(new TypeError('something broke')))
  t.equal(text, 'chartwarden: something broke (UNEXPECTED)\n')
  t.notMatch(failureJson(failureOf(new TypeError('something broke'))), /\.ts|at /)
  t.equal(failureText(failureOf('thrown text')), 'chartwarden: thrown text (UNEXPECTED)\n')
})

t.test("a refused start is the operator's to mend", async (t) => {
  const message = 'CHARTWARDEN_X is unknown.'
  t.match(failureOf(new StartError(message)), { reason: 'SETUP_REFUSED', outcome: 'usage', message })
  t.match(failureOf(new StartError(message, { mayPass: true })), { reason: 'SETUP_UNAVAILABLE', outcome: 'unavailable' }, 'or passes')
})

t.test('wrong fields are listed, in text and in JSON', async (t) => {
  const failure = failureOf(invalidField('purpose', 'is not a code'))
  t.equal(failureText(failure), 'chartwarden: purpose: is not a code (INVALID_ARGUMENT)\n', 'once is enough')
  const two = { ...failure, message: 'The request is wrong.', fields: [...failure.fields, { field: 'id', description: 'is empty' }] }
  t.equal(failureText(two), 'chartwarden: The request is wrong. (INVALID_ARGUMENT)\n  purpose: is not a code\n  id: is empty\n')
  t.strictSame(JSON.parse(failureJson(failure)), {
    error: {
      reason: 'INVALID_ARGUMENT',
      message: 'purpose: is not a code',
      fields: [{ field: 'purpose', description: 'is not a code' }],
      exit_code: 2,
    },
  })
})

t.test('what the service adds to a refusal is told in words and kept in JSON', async (t) => {
  const refused = (reason: string) =>
    failureOf(
      new ChartwardenError('NOT_PERMITTED', { metadata: { reason_code: reason, needs: 'emergency_access open', correlationId: 'c-1' } }),
    )
  t.match(
    failureText(refused('unknown_subject')),
    /\(NOT_PERMITTED\)\n {2}why: unknown_subject: Nobody of this identifier is known in this clinic\.\n/,
  )
  t.match(failureText(refused('no_grant')), /why: no_grant: No role in force allows .*\n {2}needs: emergency_access open\n$/)
  t.match(failureText(refused('of_another_version')), /\n {2}why: of_another_version\n/)
  t.match(JSON.parse(failureJson(refused('no_grant'))), {
    error: { metadata: { reason_code: 'no_grant', needs: 'emergency_access open', correlationId: 'c-1' } },
  })
  const lacking = failureOf(new ChartwardenError('SCOPE_MISSING', { metadata: { scope: 'consent.read' } }))
  t.match(failureText(lacking), /\n {2}scope: consent\.read\n$/)
  const internal = failureOf(new ChartwardenError('INTERNAL', { metadata: { correlationId: 'c-2' } }))
  t.match(failureText(internal), /\n {2}logged by the service as c-2\n$/)
})

t.test('what a server says cannot steer the terminal', async (t) => {
  const text = failureText(failureOf(new Error('a\u001b[2Jb\r\nc')))
  t.equal(text, 'chartwarden: a\\u{1b}[2Jb\\u{d}\\nc (UNEXPECTED)\n')
})
