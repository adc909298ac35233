/** The columns by which a row names the entry that it was made from; the same in each read model that has them. */
import type { AccessEvent } from '../../access/events.ts'
import type { StoredEntry } from '../../audit/ledger.ts'
import { leafHashHex } from '../../audit/log/tree-hash.ts'
import { moment, text } from './content.ts'

export interface EntryColumns {
  readonly clinic: string
  readonly revision: string
  readonly entry_id: string
  readonly entry_type: string
  readonly entry_time: Date
  readonly leaf_hash: Buffer
  /** The calling software. */
  readonly caller: string
}

interface Projected {
  readonly clinic: string
  readonly entry: StoredEntry
  readonly event: Pick<AccessEvent, 'time' | 'caller'>
}

/** As JSON for a recordset; `leaf_hash` in hexadecimal. */
export const entryRow = ({ clinic, entry, event }: Projected) => ({
  clinic,
  revision: String(entry.revision),
  entry_id: entry.id,
  entry_type: entry.type,
  entry_time: moment(event.time),
  leaf_hash: leafHashHex(entry.bytes),
  caller: text(event.caller),
})

/** Of that recordset. */
export const entryRowColumns =
  'clinic text, revision bigint, entry_id uuid, entry_type text, entry_time timestamptz, leaf_hash text, caller text'

/** For an insert from that recordset, named `r`. */
export const entryColumnNames = 'clinic, revision, entry_id, entry_type, entry_time, leaf_hash, caller'
export const entryColumnValues = "r.clinic, r.revision, r.entry_id, r.entry_type, r.entry_time, decode(r.leaf_hash, 'hex'), r.caller"

/** For the table. */
export const entryTableColumns = `
    clinic text collate "C" not null,
    revision bigint not null,
    entry_id uuid not null,
    entry_type text not null,
    entry_time timestamptz not null,
    leaf_hash bytea not null,
    caller text not null`
