/** An interval [from, until) in milliseconds since the epoch. Without `from`: since the entry that opened it. Without `until`: open. */
export interface Period {
  readonly from: number | undefined
  readonly until: number | undefined
}

/** The interval of an entry. A time that does not parse is NaN and is never in force: damage closes, it does not open. */
export const periodOf = (data: { readonly from?: string; readonly until?: string }): Period => ({
  from: data.from === undefined ? undefined : Date.parse(data.from),
  until: data.until === undefined ? undefined : Date.parse(data.until),
})

export const isInForce = (period: Period, now: number): boolean =>
  (period.from === undefined || now >= period.from) && (period.until === undefined || now < period.until)

/** Whether it is in force now or will be. */
export const isNotOver = (period: Period, now: number): boolean => period.until === undefined || now < period.until
