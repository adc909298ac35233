import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { decide } from '../../services/access/decide.ts'
import type { Steps } from '../../services/access/pinned-reading.ts'
import type { ClinicState } from '../../services/access/state.ts'
import { type Able, whoCan } from '../../services/access/who-can.ts'
import { clinicOf, happenings, moments, requests } from '../support/arbitrary-clinic.ts'

const run = <Result>(steps: Steps<Result>, state: ClinicState, now: number): Result => {
  const running = steps(state, now)
  for (;;) {
    const step = running.next()
    if (step.done === true) return step.value
  }
}

t.test('whoever is listed, over all pages, is whoever a check would permit once signed in anew', async (t) => {
  let listed = 0
  fc.assert(
    fc.property(happenings(), requests, moments, fc.integer({ min: 1, max: 5 }), (story, request, now, size) => {
      const { state } = clinicOf(story)
      const found: Able[] = []
      for (let after: string | undefined; ; ) {
        const page = run(whoCan(request, '', { after, size }), state, now)
        if (page.found.length > size) return false
        found.push(...page.found)
        if (page.next === undefined) break
        after = page.next
      }
      listed += found.length
      const session = { issuedAt: Number.MAX_SAFE_INTEGER }
      const expected = [...state.subjects.values()]
        .map(({ reference: subject }) => ({ subject, decision: decide(state, { ...request, subject, session }, now) }))
        .filter(({ decision }) => decision.decision === 'permit')
        .toSorted((left, right) => (left.subject.pseudonym < right.subject.pseudonym ? -1 : 1))
      return isDeepStrictEqual(found, expected)
    }),
    { numRuns: 1_500 },
  )
  t.ok(listed > 100, `${listed} were listed`)
})
