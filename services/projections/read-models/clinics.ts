import { sql } from 'kysely'
import { recordset } from '../database.ts'
import { defineProjection, type ReadModelTable } from '../projection.ts'
import { text } from './content.ts'

/** What reports must know of a clinic itself. */
export interface ClinicsTable {
  readonly clinic: string
  /** IANA name, as registered. */
  readonly time_zone: string
}

const table: ReadModelTable = {
  name: 'clinics',
  columns: `
    clinic text collate "C" not null,
    time_zone text not null,
    primary key (clinic)`,
  indexes: {},
  feed: 'select, insert',
  query: 'readable',
}

export const clinics = defineProjection({
  name: 'clinics',
  version: 1,
  types: ['chartwarden.clinic.registered.v1'],
  tables: [table],
  apply: async (transaction, events) => {
    const rows = events.map(({ clinic, event: { data } }) => ({ clinic, time_zone: text(data.time_zone) }))
    await sql`
      insert into clinics (clinic, time_zone)
      select r.clinic, r.time_zone from ${recordset(rows, 'clinic text, time_zone text')} on conflict do nothing`.execute(transaction)
  },
})
