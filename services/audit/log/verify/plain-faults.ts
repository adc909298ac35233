/** What shows without any hash: entries whose numbers, clinic or columns do not fit. */
import type { EnvelopeEnd } from './envelope-end.ts'
import { envelopeEnd } from './envelope-end.ts'
import type { Fault } from './fault.ts'
import type { EntryColumns, FoundEntry } from './found.ts'

/** The clinic that an entry names as its own; undefined for bytes that name none. */
export const clinicOf = (end: EnvelopeEnd | undefined): string | undefined => /^\/clinics\/([^/]+)$/.exec(end?.source ?? '')?.[1]

/** Whether entries of a type change the state; undefined for a type that is not known. */
export type ChangesState = (type: string) => boolean | undefined

const differingColumns = (columns: EntryColumns, end: EnvelopeEnd, changesState: ChangesState): readonly string[] => {
  const state = changesState(columns.type)
  return [
    ...(columns.id === end.id ? [] : ['id']),
    ...(columns.type === end.type ? [] : ['type']),
    ...(Buffer.from(columns.requestDigest).toString('base64') === end.requestDigest ? [] : ['request_digest']),
    ...(state === undefined || state === columns.stateChanging ? [] : ['state_changing']),
  ]
}

/** Of one entry of a database. */
export const columnFaults = (clinic: string, { revision, message, columns }: FoundEntry, changesState: ChangesState): readonly Fault[] => {
  if (columns === undefined) return []
  const at = { clinic, revision, lastRevision: revision }
  const end = envelopeEnd(message)
  if (end === undefined) return [{ ...at, kind: 'entry_columns_changed', detail: 'Its bytes do not end as an entry does.' }]
  const { time } = end
  const named = clinicOf(end)
  const columnNames = differingColumns(columns, end, changesState)
  return [
    ...(named === clinic
      ? []
      : [{ ...at, time, kind: 'entry_of_another_clinic', detail: `It says of itself that it is of ${named ?? 'no clinic'}.` } as const]),
    ...(columnNames.length === 0
      ? []
      : [
          { ...at, time, kind: 'entry_columns_changed', detail: `Columns that differ from the entry: ${columnNames.join(', ')}.` } as const,
        ]),
  ]
}
