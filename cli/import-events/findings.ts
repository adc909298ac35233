import type { Column } from '../output/column.ts'
import { count } from '../output/describe.ts'
import type { EventAccesses } from './accesses-of-event.ts'
import type { EventLine } from './import-file.ts'

/** Something a person should know about one line. */
export interface Finding {
  readonly line: number
  /** Its id in the source; empty where it has none. */
  readonly event: string
  readonly finding: 'refused' | 'filled in' | 'left out' | 'no access'
  readonly field: string
  readonly value: string
  readonly because: string
}

export const findingColumns: readonly Column<Finding>[] = [
  { name: 'line', value: ({ line }) => String(line) },
  { name: 'event', value: ({ event }) => event },
  { name: 'finding', value: ({ finding }) => finding },
  { name: 'field', value: ({ field }) => field },
  { name: 'value', value: ({ value }) => value },
  { name: 'because', value: ({ because }) => because },
]

/** What is to be listed of one line: all of it, in the order it was found. */
export const findingsOf = ({ line, id, result }: Pick<EventLine, 'line' | 'id' | 'result'>): readonly Finding[] => {
  const at = { line, event: id }
  switch (result.kind) {
    case 'refused':
      return result.faults.map((fault) => ({ ...at, finding: 'refused', ...fault }))
    case 'no access':
      return [{ ...at, finding: 'no access', ...result.because }]
    case 'accesses':
      return [
        ...result.filled.map((note) => ({ ...at, finding: 'filled in' as const, ...note })),
        ...result.leftOut.map((note) => ({ ...at, finding: 'left out' as const, ...note })),
      ]
  }
}

/** What became of a file, counted. */
export interface Tally {
  events: number
  accesses: number
  recorded: number
  thereAlready: number
  /** Lines of which nothing was recorded. */
  refused: number
  noAccess: number
  filledIn: number
  purposeUnstated: number
  futureDated: number
}

export const newTally = (): Tally => ({
  events: 0,
  accesses: 0,
  recorded: 0,
  thereAlready: 0,
  refused: 0,
  noAccess: 0,
  filledIn: 0,
  purposeUnstated: 0,
  futureDated: 0,
})

/** `now`: milliseconds since the epoch, of this machine; the service decides itself what is flagged. */
export const countLine = (tally: Tally, result: EventAccesses, now: number): void => {
  tally.events += 1
  if (result.kind === 'refused') tally.refused += 1
  else if (result.kind === 'no access') tally.noAccess += 1
  else {
    tally.filledIn += result.filled.length
    for (const { purpose, occurredAt } of result.requests) {
      tally.accesses += 1
      if (purpose === '') tally.purposeUnstated += 1
      if (occurredAt !== undefined && Number(occurredAt.seconds) * 1000 > now) tally.futureDated += 1
    }
  }
}

/** The tally under the names of machine-readable output. */
export const tallyJson = (tally: Tally): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(tally).map(([name, value]) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]))

const sentences = ({ events, accesses, refused, noAccess, filledIn, purposeUnstated, futureDated }: Tally): readonly string[] => [
  `${count(events, 'event')}: ${count(accesses, 'access', 'accesses')}, ${refused} refused, ${noAccess} about no access to a record.`,
  ...(filledIn === 0 ? [] : [`${count(filledIn, 'part')} filled in, as listed.`]),
  ...(purposeUnstated === 0
    ? []
    : [`${count(purposeUnstated, 'access names', 'accesses name')} no purpose: kept as UNSTATED and flagged.`]),
  ...(futureDated === 0 ? [] : [`${count(futureDated, 'access lies', 'accesses lie')} in the future: kept and flagged.`]),
]

/** Plain words, a line each. `sent`: whether anything was sent at all. */
export const tallyText = (tally: Tally, sent: boolean): readonly string[] => [
  ...sentences(tally),
  sent ? `${tally.recorded} recorded, ${tally.thereAlready} there already.` : 'Nothing was recorded.',
]
