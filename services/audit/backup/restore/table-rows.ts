/** Records of a backup as rows of the tables they came from. */
import type { CopyValue } from '../../../kernel/postgres/copy-rows.ts'
import type { EntryRecord, KeyRecord, LogRecord } from '../backup-format.ts'

export interface TableRows {
  readonly table: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly CopyValue[])[]
}

export const entriesTable = {
  table: 'chartwarden_ledger.entries',
  columns: ['position', 'revision', 'recorded_at', 'id', 'log_id', 'state_changing', 'clinic', 'type', 'request_digest', 'bytes'],
} as const

export const entryRow = (entry: EntryRecord): readonly CopyValue[] => [
  entry.position,
  entry.revision,
  entry.recordedAt,
  entry.id,
  1,
  entry.stateChanging,
  entry.clinic,
  entry.type,
  entry.requestDigest,
  entry.bytes,
]

type OfKind<Item extends { readonly kind: string }, Kind extends Item['kind']> = Extract<Item, { readonly kind: Kind }>

const rowsOf = <Item extends { readonly kind: string }, Kind extends Item['kind']>(
  page: readonly Item[],
  kind: Kind,
  row: (item: OfKind<Item, Kind>) => readonly CopyValue[],
): readonly (readonly CopyValue[])[] => page.flatMap((item) => (item.kind === kind ? [row(item as OfKind<Item, Kind>)] : []))

/** In the order in which they refer to each other. */
export const keyTables = (page: readonly KeyRecord[]): readonly TableRows[] => [
  {
    table: 'chartwarden_vault.clinic_keys',
    columns: ['clinic', 'pseudonym_key', 'digest_key', 'created_at'],
    rows: rowsOf(page, 'clinic_keys', (key) => [key.clinic, key.pseudonymKey, key.digestKey, key.createdAt]),
  },
  {
    table: 'chartwarden_vault.identity_keys',
    columns: ['clinic', 'pseudonym', 'wrapped_key', 'commitment', 'created_at', 'destroyed_at'],
    rows: rowsOf(page, 'identity_key', (key) => [
      key.clinic,
      key.pseudonym,
      key.wrappedKey,
      key.commitment,
      key.createdAt,
      key.destroyedAt,
    ]),
  },
  {
    table: 'chartwarden_vault.log_keys',
    columns: ['clinic', 'id', 'wrapped_key', 'public_key', 'created_at'],
    rows: rowsOf(page, 'log_key', (key) => [key.clinic, key.id, key.wrappedKey, key.publicKey, key.createdAt]),
  },
  {
    table: 'chartwarden_vault.log_key_activations',
    columns: ['clinic', 'id', 'ordinal', 'retire_others_at'],
    rows: rowsOf(page, 'log_key_activation', (key) => [key.clinic, key.id, key.ordinal, key.retireOthersAt]),
  },
]

/** In the order in which they refer to each other. A tree begins at size 0 and is made again from the entries: its tiles are in no backup. */
export const logTables = (page: readonly LogRecord[]): readonly TableRows[] => [
  {
    table: 'chartwarden_log.logs',
    columns: ['clinic', 'generation', 'origin'],
    rows: rowsOf(page, 'log', (log) => [log.clinic, log.generation, log.origin]),
  },
  {
    table: 'chartwarden_log.checkpoints',
    columns: ['clinic', 'generation', 'size', 'root', 'note', 'published_at'],
    rows: rowsOf(page, 'checkpoint', (each) => [each.clinic, each.generation, each.size, each.root, each.note, each.publishedAt]),
  },
  {
    table: 'chartwarden_log.cosignatures',
    columns: ['clinic', 'generation', 'size', 'witness', 'line', 'added_at'],
    rows: rowsOf(page, 'cosignature', (each) => [each.clinic, each.generation, each.size, each.witness, each.line, each.addedAt]),
  },
]
