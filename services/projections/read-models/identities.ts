import { sql } from 'kysely'
import { recordset } from '../database.ts'
import { defineProjection, type ReadModelTable } from '../projection.ts'
import { sealedPart, text } from './content.ts'

/** Whom a pseudonym stands for, sealed as the ledger holds it: once its key is destroyed, nobody. */
export interface IdentitiesTable {
  readonly clinic: string
  readonly pseudonym: string
  readonly kind: 'subject' | 'patient'
  /** Subject type; empty for a patient. */
  readonly type: string
  readonly entry_id: string
  readonly entry_type: string
  readonly sealed: unknown
}

const columns = 'clinic text, pseudonym text, kind text, type text, entry_id uuid, entry_type text, sealed jsonb'

const table: ReadModelTable = {
  name: 'identities',
  columns: `
    clinic text collate "C" not null,
    pseudonym text collate "C" not null,
    kind text collate "C" not null check (kind in ('subject', 'patient')),
    type text not null,
    entry_id uuid not null,
    entry_type text not null,
    sealed jsonb,
    primary key (clinic, pseudonym)`,
  indexes: {},
  feed: 'select, insert',
  query: 'readable',
}

export const identities = defineProjection({
  name: 'identities',
  version: 1,
  types: ['chartwarden.identity.introduced.v1'],
  tables: [table],
  apply: async (transaction, events) => {
    const rows = events.map(({ clinic, entry, event: { id, data } }) => ({
      clinic,
      pseudonym: text(data.pseudonym),
      kind: text(data.kind),
      type: text(data.type),
      entry_id: id,
      entry_type: entry.type,
      sealed: sealedPart(data.sealed),
    }))
    await sql`
      insert into identities (clinic, pseudonym, kind, type, entry_id, entry_type, sealed)
      select r.* from ${recordset(rows, columns)} on conflict do nothing`.execute(transaction)
  },
})
