/**
 * Names of time zones that Node's ICU and Postgres take for the same clock. Postgres looks a name up among abbreviations first: "CET" is an
 * hour all year there, and the clock of Brussels in Node; "IST" is Israel there and India here. So a zone is named by area and place.
 */
const areas =
  /^(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Brazil|Canada|Chile|Etc|Europe|Indian|Mexico|Pacific|US)\/[A-Za-z0-9_+/-]+$/

/** Known to ICU alone. */
const unknownToPostgres = 'us/pacific-new'

/** Node's name of the clock that a text names; undefined where it names none. */
const canonicalName = (text: string): string | undefined => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone
  } catch {
    return undefined
  }
}

/** Whether a text is an IANA time zone by area and place, such as "Europe/Berlin", or "UTC". Offsets such as "+01:00" follow no clock change: they are none. */
export const isTimeZone = (text: string): boolean =>
  text === 'UTC' || (areas.test(text) && text.toLowerCase() !== unknownToPostgres && canonicalName(text) !== undefined)

/** The name for a zone that Postgres takes for the same clock: a name kept from earlier may be an abbreviation. UTC where there is none. */
export const timeZoneForPostgres = (kept: string): string => {
  if (isTimeZone(kept)) return kept
  const canonical = canonicalName(kept)
  return canonical !== undefined && isTimeZone(canonical) ? canonical : 'UTC'
}
