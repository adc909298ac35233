const pattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Whether a text may name a clinic: 1 to 63 lower-case letters, digits and hyphens, no hyphen at either end. The names of the operator's
 * own ledgers begin with an underscore, so none of them is one.
 */
export const isClinicId = (text: string): boolean => pattern.test(text)
