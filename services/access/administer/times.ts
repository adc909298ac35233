import type { FieldViolation } from '../../kernel/errors.ts'

/** Years 0001 to 9999, what RFC 3339 and google.protobuf.Timestamp can carry. */
const earliest = Date.parse('0001-01-01T00:00:00.000Z')
const latest = Date.parse('9999-12-31T23:59:59.999Z')

/** RFC 3339 with milliseconds, UTC. */
export const timeText = (time: number): string => new Date(time).toISOString()

/** The interval as events carry it. */
export const periodText = (period: {
  readonly from?: number
  readonly until?: number
}): { readonly from?: string; readonly until?: string } => ({
  ...(period.from === undefined ? {} : { from: timeText(period.from) }),
  ...(period.until === undefined ? {} : { until: timeText(period.until) }),
})

export const timeViolations = (field: string, time: number | undefined): readonly FieldViolation[] =>
  time === undefined || (time >= earliest && time <= latest) ? [] : [{ field, description: 'must be a time of the years 1 to 9999' }]

/** What is wrong with an interval that is to begin to hold. */
export const periodViolations = (
  { from, until }: { readonly from?: number | undefined; readonly until?: number | undefined },
  now: number,
): readonly FieldViolation[] => {
  const range = [...timeViolations('from', from), ...timeViolations('until', until)]
  if (range.length > 0 || until === undefined) return range
  if (until <= now) return [{ field: 'until', description: 'must be in the future' }]
  return from !== undefined && until <= from ? [{ field: 'until', description: 'must be after "from"' }] : []
}
