/** What the superuser of a database can do to the ledgers and logs in it, guards or not. Nobody who does it has a key. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type pg from 'pg'
import { Client } from 'pg'
import { formatCheckpoint } from '../../services/audit/log/checkpoint.ts'
import { formatNote, signNote, verifierKeyOf } from '../../services/audit/log/note.ts'
import { stripsFrom } from '../../services/audit/log/strip.ts'
import { rootOf, tilesOf } from './tiles-of.ts'

export interface Row {
  readonly revision: bigint
  readonly id: string
  readonly bytes: Buffer
}

export interface Attacker {
  query(text: string, values?: readonly unknown[]): Promise<readonly pg.QueryResultRow[]>
  row(clinic: string, revision: bigint): Promise<Row>
  /** Other bytes for an entry, of the same length; its columns stay as they are. */
  editByte(clinic: string, revision: bigint): Promise<void>
  remove(clinic: string, revision: bigint): Promise<void>
  /** An entry that never was, in front of that revision; everything from there on is renumbered. */
  insert(clinic: string, before: bigint): Promise<void>
  /** Two entries of one ledger in each other's place. */
  reorder(clinic: string, one: bigint, other: bigint): Promise<void>
  /** Two entries of two ledgers in each other's place. */
  swap(one: readonly [clinic: string, revision: bigint], other: readonly [clinic: string, revision: bigint]): Promise<void>
  /** Only the first so many entries stay. */
  truncate(clinic: string, size: bigint): Promise<void>
  /** Closes the gaps that were left, with the head and all counters as if nothing had been there. */
  renumber(clinic: string): Promise<void>
  /**
   * Tiles and sizes as if the log had always been of the entries that are there now; the checkpoints that these do not give are taken away.
   * Only the keys are missing to sign others.
   */
  forgeLog(clinic: string, keep: bigint): Promise<void>
  /** Signs the entries that are there with a key of the attacker's own, which takes the place of the log's. After `forgeLog`. */
  replaceKey(clinic: string): Promise<void>
  close(): Promise<void>
}

const opening = `
set session_replication_role = replica;
do $$
declare
  t regclass;
begin
  for t in select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname in ('chartwarden_ledger', 'chartwarden_log', 'chartwarden_vault', 'chartwarden_snapshot')
  loop
    execute format('alter table %s disable trigger user', t);
  end loop;
end
$$;`

/** The same entry with one byte of its content changed; still well formed. */
const withOtherByte = (bytes: Buffer): Buffer => {
  const edited = Buffer.from(bytes)
  const place = edited.indexOf('"caller":"') + '"caller":"'.length
  edited[place] = edited[place] === 0x78 ? 0x79 : 0x78
  return edited
}

/** As superuser. Attackers of the guards themselves: the first thing it does is to put them out of action. */
export const openAttacker = async (url: string): Promise<Attacker> => {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  await client.query(opening)
  const query = async (text: string, values: readonly unknown[] = []): Promise<readonly pg.QueryResultRow[]> =>
    (await client.query(text, [...values])).rows
  const entries = 'chartwarden_ledger.entries'

  const row = async (clinic: string, revision: bigint): Promise<Row> => {
    const [found] = await query(`select revision, id, bytes from ${entries} where clinic = $1 and revision = $2`, [clinic, revision])
    if (found === undefined) throw new Error(`no entry ${revision} of ${clinic}`)
    return { revision: BigInt(found.revision), id: found.id, bytes: found.bytes }
  }
  const place = (clinic: string, id: string, revision: bigint, of = clinic) =>
    query(`update ${entries} set revision = $3, clinic = $4 where clinic = $1 and id = $2`, [clinic, id, revision, of])
  const setHead = (clinic: string) =>
    query(
      `update chartwarden_ledger.heads h set revision = e.revision, state_revision = e.state_revision
       from (select max(revision) as revision, coalesce(max(revision) filter (where state_changing), -1) as state_revision
             from ${entries} where clinic = $1) e where h.clinic = $1`,
      [clinic],
    )

  return {
    query,
    row,
    editByte: async (clinic, revision) => {
      const { id, bytes } = await row(clinic, revision)
      await query(`update ${entries} set bytes = $3 where clinic = $1 and id = $2`, [clinic, id, withOtherByte(bytes)])
    },
    remove: async (clinic, revision) => {
      await query(`delete from ${entries} where clinic = $1 and revision = $2`, [clinic, revision])
    },
    insert: async (clinic, before) => {
      const { id, bytes } = await row(clinic, before)
      const forged = crypto.randomUUID()
      const salted = /"salt":"[^"]*"/
      const text = bytes
        .toString('utf8')
        .replace(id, forged)
        .replace(salted, `"salt":"${randomBytes(16).toString('base64')}"`)
      await query(`update ${entries} set revision = -1 - revision where clinic = $1 and revision >= $2`, [clinic, before])
      await query(`update ${entries} set revision = -revision where clinic = $1 and revision < 0`, [clinic])
      await query(
        `insert into ${entries} (position, revision, recorded_at, id, log_id, state_changing, clinic, type, request_digest, bytes)
         select position, $3, recorded_at, $4, log_id, state_changing, clinic, type, request_digest, $5 from ${entries} where clinic = $1 and id = $2`,
        [clinic, id, before, forged, Buffer.from(text)],
      )
      await setHead(clinic)
    },
    reorder: async (clinic, one, other) => {
      const [first, second] = [await row(clinic, one), await row(clinic, other)]
      await place(clinic, first.id, -1n)
      await place(clinic, second.id, one)
      await place(clinic, first.id, other)
    },
    swap: async ([here, revision], [there, another]) => {
      const [first, second] = [await row(here, revision), await row(there, another)]
      await place(here, first.id, -1n)
      await place(there, second.id, revision, here)
      await place(here, first.id, another, there)
    },
    truncate: async (clinic, size) => {
      await query(`delete from ${entries} where clinic = $1 and revision >= $2`, [clinic, size])
      await setHead(clinic)
    },
    renumber: async (clinic) => {
      await query(
        `update ${entries} e set revision = -1 - n.place from (
           select id, row_number() over (order by revision) - 1 as place from ${entries} where clinic = $1
         ) n where e.clinic = $1 and e.id = n.id`,
        [clinic],
      )
      await query(`update ${entries} set revision = -1 - revision where clinic = $1`, [clinic])
      await setHead(clinic)
    },
    forgeLog: async (clinic, keep) => {
      const rows = await query(`select bytes from ${entries} where clinic = $1 order by revision`, [clinic])
      await query('delete from chartwarden_log.strips where clinic = $1', [clinic])
      for (const { level, strip, hashes } of tilesOf(rows.map(({ bytes }) => bytes)).flatMap((tile) => stripsFrom(tile, 0n))) {
        await query('insert into chartwarden_log.strips (clinic, generation, level, strip, hashes) values ($1, 1, $2, $3, $4)', [
          clinic,
          level,
          strip,
          hashes,
        ])
      }
      await query('update chartwarden_log.logs set size = $2 where clinic = $1', [clinic, rows.length])
      await query('delete from chartwarden_log.cosignatures where clinic = $1 and size > $2', [clinic, keep])
      await query('delete from chartwarden_log.checkpoints where clinic = $1 and size > $2', [clinic, keep])
    },
    replaceKey: async (clinic) => {
      const { privateKey } = generateKeyPairSync('ed25519')
      const rows = await query(`select bytes from ${entries} where clinic = $1 order by revision`, [clinic])
      const [log] = await query('select origin from chartwarden_log.logs where clinic = $1', [clinic])
      const origin = String(log?.origin)
      const root = rootOf(rows.map(({ bytes }) => bytes))
      const text = formatCheckpoint({ origin, size: BigInt(rows.length), root, extensions: [] })
      const key = verifierKeyOf(origin, privateKey)
      await query('update chartwarden_vault.log_keys set public_key = $2 where clinic = $1', [clinic, key.publicKey])
      await query('insert into chartwarden_log.checkpoints (clinic, generation, size, root, note) values ($1, 1, $2, $3, $4)', [
        clinic,
        rows.length,
        root,
        formatNote(text, [signNote(text, origin, privateKey)]),
      ])
    },
    close: () => client.end(),
  }
}
