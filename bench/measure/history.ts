import type { Measured } from './statistics.ts'

/** Pages of the report of accesses, called one after the other. The first page of a query also appends the entry that somebody looked. */
export const historyPages = {
  patient_first: 'by patient, first page',
  patient_later: 'by patient, fourth page',
  subject_first: 'by person, first page',
  subject_later: 'by person, fourth page',
  time_first: 'by time, first page',
  time_later: 'by time, fourth page',
} as const

export type HistoryPage = keyof typeof historyPages

export type HistoryPages = Readonly<Record<HistoryPage, Measured>>

/** The same pages of a small and of a large report, one after the other. */
export interface HistoryRound {
  readonly small: HistoryPages
  readonly large: HistoryPages
}
