import { Kysely, PostgresDialect, type RawBuilder, sql, type Transaction } from 'kysely'
import type { Pool, PoolClient } from 'pg'
import type { AccessHistoryTable } from './read-models/access-history.ts'
import type { ActivitiesTable } from './read-models/activities.ts'
import type { ClinicsTable } from './read-models/clinics.ts'
import type { ConcernsTable } from './read-models/concerns.ts'
import type { DisclosuresTable } from './read-models/disclosures.ts'
import type { EmergenciesTable } from './read-models/emergencies.ts'
import type { IdentitiesTable } from './read-models/identities.ts'
import type { OffboardingsTable } from './read-models/offboardings.ts'
import type { RoleGrantsTable } from './read-models/role-grants.ts'
import type { ClinicProgressTable, GenerationsTable, LanesTable, ParkedTable } from './runner-tables.ts'

/**
 * The tables of the read models, found by the search path of the transaction, and the runner's own. Postgres answers `bigint` as text and `timestamptz` in milliseconds; finer times are read as `bigint`. */
export interface ProjectionDatabase {
  readonly 'chartwarden_projections.lanes': LanesTable
  readonly 'chartwarden_projections.generations': GenerationsTable
  readonly 'chartwarden_projections.clinic_progress': ClinicProgressTable
  readonly 'chartwarden_projections.parked': ParkedTable
  readonly identities: IdentitiesTable
  readonly access_history: AccessHistoryTable
  readonly role_grants: RoleGrantsTable
  readonly offboardings: OffboardingsTable
  readonly disclosures: DisclosuresTable
  readonly concerns: ConcernsTable
  readonly emergencies: EmergenciesTable
  readonly activities: ActivitiesTable
  readonly clinics: ClinicsTable
}

export type ProjectionTransaction = Transaction<ProjectionDatabase>

/** Queries over a pool, which stays its creator's to close. */
export const onPool = (pool: Pool): Kysely<ProjectionDatabase> => new Kysely({ dialect: new PostgresDialect({ pool }) })

/** Queries over one connection, so that what it holds (a lock) and what it writes live and die together. */
export const onClient = (client: Pick<PoolClient, 'query'>): Kysely<ProjectionDatabase> => {
  const lent = { query: client.query.bind(client), release: () => {} } as unknown as PoolClient
  return new Kysely({ dialect: new PostgresDialect({ pool: { options: {}, connect: async () => lent, end: async () => {} } }) })
}

const quoted = (text: string): string => `"${/["\\]/.test(text) ? text.replaceAll(/["\\]/g, '\\$&') : text}"`

/** A value as an element of an array literal. */
const element = (value: unknown): string => {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'string') return quoted(value)
  if (Array.isArray(value)) return quoted(`{${value.map(element).join()}}`)
  return quoted(typeof value === 'object' ? JSON.stringify(value) : String(value))
}

/**
 * Rows of a statement's input, one array parameter a column: Postgres reads these in half the time it takes for as much JSON. `columns` is their
 * SQL definition, e.g. `clinic text, revision bigint, flags text[]`.
 */
export const recordset = (rows: readonly object[], columns: string): RawBuilder<unknown> => {
  const defined = columns.split(',').map((column) => column.trim().split(/\s+/) as [name: string, type: string])
  const arrays = defined.map(([name, type]) => {
    const literal = `{${rows.map((row) => element((row as Readonly<Record<string, unknown>>)[name])).join()}}`
    // An array of arrays would have to be rectangular: those go as texts.
    return sql`${literal}::${sql.raw(type.endsWith('[]') ? 'text' : type)}[]`
  })
  const names = sql.join(defined.map(([name]) => sql.ref(name)))
  const values = sql.join(defined.map(([name, type]) => (type.endsWith('[]') ? sql`${sql.ref(name)}::${sql.raw(type)}` : sql.ref(name))))
  return sql`(select ${values} from unnest(${sql.join(arrays)}) as u (${names})) as r (${names})`
}

/** A `timestamptz` column as whole microseconds since the epoch: everything Postgres keeps, where a Date would drop the last three digits. */
export const microseconds = (column: string): RawBuilder<string> => sql<string>`(extract(epoch from ${sql.ref(column)}) * 1000000)::bigint`

/** Microseconds since the epoch as a `timestamptz`. */
export const instant = (value: bigint): RawBuilder<Date> =>
  sql<Date>`(timestamptz 'epoch' + ${String(value)}::bigint * interval '1 microsecond')`
