/**
 * Every name that is accepted, in Node and in Postgres: the same local time, over each change of the clocks of two years. Of years that are
 * over: what a country decides anew reaches each of the two with its own update.
 */
import t from 'tap'
import { isTimeZone, timeZoneForPostgres } from '../../services/kernel/time-zone.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { query } from '../support/query.ts'

/** What Node takes and Postgres takes for another clock, or for none. */
const abbreviations = ['CET', 'EET', 'MET', 'WET', 'CST', 'PST', 'IST', 'BST', 'AST', 'ACT', 'ART', 'NST']
const unknown = ['AET', 'CAT', 'ECT', 'NET', 'PLT', 'PNT', 'PRT', 'SST', 'VST', 'AGT', 'CNT', 'CTT', 'MIT', 'US/Pacific-New']

const database = await createTestDatabase(t)
const namesOfPostgres = (await query<{ readonly name: string }>(database.adminUrl, 'select name from pg_timezone_names')).map(
  ({ name }) => name,
)
const accepted = [...new Set([...Intl.supportedValuesOf('timeZone'), ...namesOfPostgres])].filter(isTimeZone).sort()

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** Moments in milliseconds with their local time: every second day, and every half hour where a clock changed in between. */
const localTimes = (zones: readonly string[]) =>
  query<{ readonly zone: string; readonly at: string; readonly local: string }>(
    database.adminUrl,
    `with grid as (
      select zone, at, (at at time zone zone) - (at at time zone 'UTC') as ahead
      from unnest(array[${zones.map(literal).join(', ')}]) zone,
        generate_series('2024-01-01T00:00:00Z'::timestamptz, '2026-01-01T00:00:00Z', '2 days') at
    ), compared as (
      select *, lag(ahead) over (partition by zone order by at) is distinct from ahead as changed from grid
    ), moments as (
      select zone, at from grid
      union select zone, half from compared, generate_series(at - interval '2 days', at, '30 minutes') half where changed
    )
    select zone, (extract(epoch from at) * 1000)::bigint::text as at, to_char(at at time zone zone, 'YYYY-MM-DD HH24:MI:SS') as local from moments`,
  )

/** Names with the first moment for which Node has another local time. */
const disagreements = async (zones: readonly string[]) => {
  const formats = new Map(
    zones.map((timeZone) => [timeZone, new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' })]),
  )
  const found = new Map<string, string>()
  for (const { zone, at, local } of await localTimes(zones)) {
    const here = formats.get(zone)?.format(Number(at))
    if (here !== local) found.set(zone, `${local} and ${here}`)
  }
  return found
}

t.test('Node and Postgres agree on the clock of every name that is accepted', async (t) => {
  for (const name of Intl.supportedValuesOf('timeZone')) t.ok(isTimeZone(name), `${name}, canonical`)
  for (const name of [
    'UTC',
    'Etc/UTC',
    'Etc/GMT+5',
    'Europe/Kyiv',
    'Europe/Kiev',
    'Asia/Kolkata',
    'Asia/Calcutta',
    'US/Pacific',
    'Europe/BERLIN',
  ])
    t.ok(isTimeZone(name), name)
  t.ok(accepted.length > 500, `${accepted.length} names`)
  t.same([...(await disagreements(accepted))], [])
  t.same([...(await disagreements(abbreviations)).keys()].sort(), [...abbreviations].sort(), 'twin: what is refused would be noticed')
})

t.test('abbreviations, offsets and what one of the two does not know are refused, and what was kept of them has a safe name', async (t) => {
  for (const name of [
    ...abbreviations,
    ...unknown,
    '',
    '+01:00',
    'Europe/Atlantis',
    'Berlin',
    '../etc',
    'posix/Europe/Berlin',
    'Europe/Berlin ',
  ])
    t.notOk(isTimeZone(name), name)
  for (const name of [...abbreviations, ...unknown]) {
    const safe = timeZoneForPostgres(name)
    t.ok(isTimeZone(safe), safe)
    const at = Date.parse('2026-07-15T22:30:00Z')
    const local = (timeZone: string) => new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }).format(at)
    t.equal(local(safe), local(name), `${name} as ${safe}`)
  }
  t.equal(timeZoneForPostgres('Europe/Kyiv'), 'Europe/Kyiv', 'a good name stays as it is')
  t.equal(timeZoneForPostgres('Mars/Olympus'), 'UTC')
})
