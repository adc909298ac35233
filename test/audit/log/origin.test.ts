/** The names of logs. */
import t from 'tap'
import { logOrigin, parseLogOrigin } from '../../../services/audit/log/origin.ts'

const base = 'log.example:8443/eu'

t.test('a name says whose log it is and which', async (t) => {
  t.equal(logOrigin(base, 'north', 1), 'log.example:8443/eu/v1/clinics/north/log')
  t.equal(logOrigin(base, 'north', 2), 'log.example:8443/eu/v1/clinics/north/log/2')
  for (const clinic of ['north', 'a', '_system', 'log'])
    for (const generation of [1, 2, 10, 123_456_789])
      t.same(parseLogOrigin(base, logOrigin(base, clinic, generation)), { clinic, generation })
})

t.test('no name has two readings, and those of others have none', async (t) => {
  const own = logOrigin(base, 'north', 1)
  for (const origin of [
    '',
    `x${own}`,
    `${own}/`,
    `${own}/1`,
    `${own}/0`,
    `${own}/02`,
    `${own}/2/2`,
    `${own}/-2`,
    `${own}/2\n`,
    own.replace('north', ''),
    own.replace('north', 'North'),
    own.replace('north', 'no/rth'),
    own.replace('north', '..'),
    own.replace('log.example', 'other.example'),
  ])
    t.equal(parseLogOrigin(base, origin), undefined, JSON.stringify(origin))
})
