/**
 * Brings everything of a backup back into an empty database, in one transaction: what cannot be verified was never there. Entries are counted
 * and hashed on their way in, then read again where they are and compared with what was signed of them.
 */
import type pg from 'pg'
import { copyRows } from '../../../kernel/postgres/copy-rows.ts'
import { recordOf } from '../../log/compare-entries.ts'
import type { SignedHead } from '../../log/signer-store.ts'
import type { ChangesState } from '../../log/verify/plain-faults.ts'
import type { LedgerReport } from '../../log/verify/report.ts'
import { ledgerDatabase } from '../../log/verify/sources/database.ts'
import { type Anchors, verifyLedger } from '../../log/verify/verify-ledger.ts'
import type { MasterKey } from '../../vault/master-key.ts'
import { BackupError } from '../backup-error.ts'
import type { ClinicRecord, KeyRecord } from '../backup-format.ts'
import type { Backup } from '../open-backup.ts'
import { requireKeysOfIdentities, requireOpens } from './check-keys.ts'
import { createLedgerTally, type TalliedLedger } from './ledger-tally.ts'
import { inOwnerTransaction } from './owner-transaction.ts'
import { entriesTable, entryRow, keyTables, logTables, type TableRows } from './table-rows.ts'

/** `loading`: entries go in. `verifying`: they are read again. */
export type RestoreStage = 'loading' | 'verifying'

export interface RestoreBackupOptions {
  readonly backup: Pick<Backup, 'manifest' | 'clinics' | 'keys' | 'logs' | 'entries'>
  /** Over the schema of this release, of a login that may act as `chartwarden_owner`; its statements may take as long as they take. */
  readonly client: pg.ClientBase
  readonly masterKey: MasterKey
  readonly changesState: ChangesState
  /** What there is from outside for a clinic. Defaults to nothing. */
  readonly anchorsOf?: ((clinic: string) => Anchors) | undefined
  /** What the signer store says was signed last for a clinic, which is believed. Defaults to nothing. */
  readonly signedOf?: ((clinic: string) => SignedHead | undefined) | undefined
  /** Told of entries done, of so many. */
  readonly onProgress?: ((stage: RestoreStage, done: bigint, total: bigint) => void) | undefined
}

export interface RestoredLedger {
  readonly clinic: string
  /** Entries. */
  readonly size: bigint
  /** Base64. */
  readonly root: string
  /** Entries that the newest checkpoint covers which they were compared with; undefined: none was ever signed, so that only the backup vouches. */
  readonly checkpoint: bigint | undefined
  /** Entries that were signed behind those: the clinic will not be served before they are back or given up. */
  readonly missing: bigint
}

export interface Restored {
  readonly entries: bigint
  /** In order of clinic, the operator's own among them. */
  readonly ledgers: readonly RestoredLedger[]
}

const noAnchors: Anchors = { checkpoints: [], receipts: [], keys: [] }

/** Faults that are named. */
const mostNamed = 20

/** A key that was made after the backup signs nothing yet: no entry of these ledgers names it. */
const belongs = (ledgers: ReadonlyMap<string, ClinicRecord>, record: KeyRecord): boolean => {
  const ledger = ledgers.get(record.clinic)
  return ledger !== undefined && (record.kind !== 'log_key_activation' || record.ordinal < ledger.size)
}

const copyAll = async (client: pg.ClientBase, tables: readonly TableRows[]): Promise<void> => {
  for (const { table, columns, rows } of tables) if (rows.length > 0) await copyRows(client, table, columns, rows)
}

const writeHeads = async (client: pg.ClientBase, ledgers: readonly TalliedLedger[], position: bigint): Promise<void> => {
  await client.query(
    `insert into chartwarden_ledger.heads select * from unnest($1::text[], $2::bigint[], $3::bigint[])
     on conflict (clinic) do update set revision = excluded.revision, state_revision = excluded.state_revision`,
    [
      ledgers.map(({ clinic }) => clinic),
      ledgers.map(({ size }) => String(size - 1n)),
      ledgers.map(({ stateRevision }) => String(stateRevision)),
    ],
  )
  await client.query('update chartwarden_ledger.log_head set position = $1 where log_id = 1', [position])
}

const load = async (options: RestoreBackupOptions, announced: ReadonlyMap<string, ClinicRecord>): Promise<void> => {
  const { backup, client, masterKey, onProgress } = options
  const total = backup.manifest.to
  const tally = createLedgerTally()
  async function* rows() {
    for await (const page of backup.entries()) {
      for (const entry of page) {
        tally.take(entry)
        yield entryRow(entry)
      }
      onProgress?.('loading', page.at(-1)?.position ?? 0n, total)
    }
  }
  await copyRows(client, entriesTable.table, entriesTable.columns, rows())
  await writeHeads(client, tally.compare(announced), total)
  for await (const page of backup.keys()) {
    const records = page.filter((record) => belongs(announced, record))
    for (const record of records) requireOpens(masterKey, record)
    await copyAll(client, keyTables(records))
  }
  for await (const page of backup.logs()) {
    await copyAll(client, logTables(page))
    for (const record of page) {
      if (record.kind !== 'sealer') continue
      await client.query('update chartwarden_log.sealer set installation = $1, epoch = $2, handed_out_at = $3', [
        record.installation,
        record.epoch,
        record.handedOutAt,
      ])
    }
  }
  await client.query('analyze chartwarden_ledger.entries, chartwarden_ledger.heads, chartwarden_vault.identity_keys')
}

/** What is wrong with a ledger, each in one sentence; nothing: it is as it was signed. */
const faultsOf = ({ clinic, outcome, faults, anchors, reason }: LedgerReport): readonly string[] => {
  if (outcome === 'damaged') {
    return faults.map(({ kind, revision, lastRevision, detail }) => {
      const where = revision === lastRevision ? `revision ${revision}` : `revisions ${revision} to ${lastRevision}`
      return `${clinic}, ${where}: ${kind}: ${detail}`
    })
  }
  return outcome === 'unchecked' && anchors.length > 0 ? [`${clinic}: ${reason}`] : []
}

const newestOf = ({ anchors }: LedgerReport): bigint | undefined =>
  anchors.reduce<bigint | undefined>(
    (newest, { verdict, size }) => (verdict === 'agrees' && (newest === undefined || size > newest) ? size : newest),
    undefined,
  )

/** Reads what is in the database now. Throws BackupError that names each clinic whose ledger is not as it was signed. */
const verify = async (options: RestoreBackupOptions, announced: ReadonlyMap<string, ClinicRecord>): Promise<readonly RestoredLedger[]> => {
  const { backup, client, changesState, anchorsOf = () => noAnchors, signedOf = () => undefined, onProgress } = options
  const database = ledgerDatabase(client, client)
  const ledgers: RestoredLedger[] = []
  const faults: string[] = []
  let done = 0n
  for (const { clinic, size, root } of announced.values()) {
    const signed = signedOf(clinic)
    const missing = signed === undefined || signed.size <= size ? 0n : signed.size - size
    const report = await verifyLedger({
      source: await database.source(clinic),
      anchors: anchorsOf(clinic),
      records: signed === undefined || missing > 0n ? [] : [recordOf(signed)],
      changesState,
      onProgress: (entries) => onProgress?.('verifying', done + entries, backup.manifest.to),
    })
    done += size
    const other =
      report.size === size && report.root === root.toString('base64') ? [] : [`${clinic}: it has another root than was backed up.`]
    faults.push(...faultsOf(report), ...other)
    ledgers.push({ clinic, size, root: root.toString('base64'), checkpoint: newestOf(report), missing })
  }
  if (faults.length > 0) {
    const more = faults.length > mostNamed ? ` And ${faults.length - mostNamed} more.` : ''
    throw new BackupError('not_as_signed', `What was backed up is not what was signed. ${faults.slice(0, mostNamed).join(' ')}${more}`)
  }
  for (const { clinic } of ledgers) await requireKeysOfIdentities(client, clinic)
  return ledgers
}

/**
 * Throws BackupError, after which nothing of it is in the database, for a backup that is damaged or is not what was signed; StartError where the
 * database is in use already.
 */
export const restoreBackup = async (options: RestoreBackupOptions): Promise<Restored> => {
  const { backup, client } = options
  const announced = await backup.clinics()
  return inOwnerTransaction(client, async () => {
    await load(options, announced)
    return { entries: backup.manifest.to, ledgers: await verify(options, announced) }
  })
}
