const instantPattern = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/
const partialPattern = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$/

const isDate = (year: number, month: number, day: number): boolean => {
  const date = new Date(Date.UTC(year, month - 1, day))
  // Date.UTC turns 30 February into 2 March.
  return year > 0 && date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

const offsetMinutes = (zone: string): number | undefined => {
  if (zone === 'Z') return 0
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(4))]
  if (minutes > 59 || hours * 60 + minutes > 14 * 60) return undefined
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}

/**
 * A FHIR `instant` as milliseconds since the epoch, finer parts dropped; undefined for what is none: no zone, no such day, a zone beyond 14
 * hours. A leap second is the first moment after it. https://hl7.org/fhir/R4/datatypes.html#instant
 */
export const parseInstant = (text: string): number | undefined => {
  const match = instantPattern.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [number, number, number, number, number, number]
  const offset = offsetMinutes(match[8] as string)
  if (!isDate(year, month, day) || hour > 23 || minute > 59 || second > 60 || offset === undefined) return undefined
  const fraction = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'))
  return Date.UTC(year, month - 1, day, hour, minute, second, fraction) - offset * 60_000
}

/** Whether the text is a FHIR `dateTime`: an instant, or a year, month or day alone. */
export const isDateTime = (text: string): boolean => {
  const partial = partialPattern.exec(text)
  if (partial === null) return parseInstant(text) !== undefined
  return isDate(Number(partial[1]), Number(partial[2] ?? 1), Number(partial[3] ?? 1))
}
