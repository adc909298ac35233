import t from 'tap'
import { parseClinic } from '../../cli/input/parsers.ts'
import { createFields } from '../../services/access/doors/fields.ts'
import { isClinicId } from '../../services/kernel/clinic-id.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { checkClaims } from '../../services/kernel/tokens/claims.ts'

const good = ['a', '7', 'north', 'north-2', 'a--b', 'x'.repeat(63)]
const bad = ['', '-', '-a', 'a-', 'x'.repeat(64), 'North', '_system', 'a b', 'a.b', 'é', 'a\n', 'a\0', '(malformed)']

const inToken = (clinic: string): boolean =>
  checkClaims({ iss: 'i', aud: 'a', sub: 's', exp: 2_000, clinic }, { issuer: 'i', audience: 'a', clockToleranceMs: 0 }, 0).kind ===
  'caller'

const accepted = (read: () => unknown): boolean => {
  try {
    read()
    return true
  } catch {
    return false
  }
}

const inRequest = (clinic: string): boolean =>
  accepted(() => {
    const fields = createFields(systemRandomness)
    fields.clinic('clinic', clinic)
    fields.check()
  })

t.test('what may name a clinic is one question with one answer: in a request, in a token and on the command line', async (t) => {
  for (const [names, expected] of [
    [good, true],
    [bad, false],
  ] as const) {
    for (const name of names) {
      const answers = [isClinicId(name), inRequest(name), inToken(name), accepted(() => parseClinic(name))]
      t.same(answers, [expected, expected, expected, expected], JSON.stringify(name))
    }
  }
})
