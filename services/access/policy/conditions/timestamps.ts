/** Moments, durations and time zones as conditions write them. */
import { Duration } from '@marcbachmann/cel-js/evaluator'

const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?(?:Z|[+-](\d{2}):(\d{2}))$/

/** A moment of RFC 3339 in the years 1 to 9999, to the millisecond; undefined for anything else. A leap second is none. */
export const parseTimestamp = (text: string): Date | undefined => {
  if (text.length > 35) return undefined
  const parts = rfc3339.exec(text.toUpperCase())
  if (parts === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0] = parts.slice(1).map(Number)
  // A date that does not exist is mended to one that does, or not, depending on who parses it.
  if (year === 0 || month === 0 || month > 12 || day === 0 || day > new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate())
    return undefined
  const time = hour < 24 ? Date.parse(text.toUpperCase()) : Number.NaN
  return Number.isNaN(time) ? undefined : new Date(time)
}

const durationPattern = /^-?(?:\d{1,9}(?:\.\d{1,9})?(?:h|ms|m|s|us|ns))+$/
const durationPart = /(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)/g
const nanoseconds: Readonly<Record<string, number>> = { h: 3.6e12, m: 6e10, s: 1e9, ms: 1e6, us: 1e3, ns: 1 }
const maxDurationMs = 3.2e14

/** A duration such as `24h`, `-1.5h` or `2h45m`, of at most ten thousand years; undefined for anything else. */
export const parseDuration = (text: string): Duration | undefined => {
  if (text.length > 40 || !durationPattern.test(text)) return undefined
  let total = 0n
  for (const [, amount = '', unit = ''] of text.matchAll(durationPart)) {
    const [whole = '0', fraction = ''] = amount.split('.')
    const each = BigInt(nanoseconds[unit] ?? 0)
    total += BigInt(whole) * each + (BigInt(fraction.padEnd(9, '0')) * each) / 1_000_000_000n
  }
  if (text.startsWith('-')) total = -total
  const duration = new Duration(total / 1_000_000_000n, Number(total % 1_000_000_000n))
  return Math.abs(duration.valueOf()) > maxDurationMs ? undefined : duration
}

/** A time zone, ready to tell what its clocks show. */
export class Zone {
  readonly #format: Intl.DateTimeFormat
  /** The last answer, in whole seconds: a busy second asks the same again and again, and clocks change on whole seconds only. */
  #second = Number.NaN
  #difference = 0

  constructor(format: Intl.DateTimeFormat) {
    this.#format = format
  }

  /** A moment whose UTC fields are what the clocks of the zone show. */
  local(moment: Date): Date {
    const second = Math.floor(moment.getTime() / 1_000)
    if (second !== this.#second) {
      this.#difference = this.#shown(moment) - second
      this.#second = second
    }
    return new Date(moment.getTime() + this.#difference * 1_000)
  }

  /** What the clocks show, in seconds since 1970 as if they were those of UTC. */
  #shown(moment: Date): number {
    const fields: Record<string, number> = {}
    for (const { type, value } of this.#format.formatToParts(moment)) fields[type] = Number(value)
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = fields
    const local = new Date(Date.UTC(2000, 0, 1, hour, minute, second))
    local.setUTCFullYear(year, month - 1, day)
    return local.getTime() / 1_000
  }
}

/** The zone of an IANA name such as `Europe/Berlin`, or of an offset such as `+02:00`; undefined for what is neither. */
export const zoneNamed = (timeZone: string): Zone | undefined => {
  try {
    return new Zone(
      new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
        timeZone,
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      }),
    )
  } catch {
    return undefined
  }
}

/** The first day is 0. */
export const dayOfYear = (moment: Date): number => {
  const first = new Date(moment.getTime())
  first.setUTCMonth(0, 1)
  return Math.round((moment.getTime() - first.getTime()) / 86_400_000)
}
