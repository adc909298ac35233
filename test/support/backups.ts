/** A small installation to back up: clinics with entries and keys in a database, a store, and whom backups are encrypted to. */
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import pg from 'pg'
import type { Test } from 'tap'
import { BackupError, type BackupFault } from '../../services/audit/backup/backup-error.ts'
import { createBackupKey } from '../../services/audit/backup/backup-key.ts'
import type { BackupStore } from '../../services/audit/backup/backup-store.ts'
import { type Backup, openBackup } from '../../services/audit/backup/open-backup.ts'
import { createPostgresBackupSource } from '../../services/audit/backup/postgres-backup-source.ts'
import { type WriteBackupOptions, type WrittenBackup, writeBackup } from '../../services/audit/backup/write-backup.ts'
import type { LedgerEngine } from '../../services/audit/ledger.ts'
import { createVault } from '../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { createPostgresKeyStore } from '../../services/audit/vault/postgres-key-store.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { migrate } from '../../services/kernel/postgres/migrate.ts'
import { schemaMigrations } from '../../services/schema-migrations.ts'
import { createLedgerScript, type LedgerScript } from './ledger-script.ts'
import { createTestDatabase } from './postgres.ts'
import { openEngine, openPool } from './postgres-engine.ts'
import type { TestDatabase } from './postgres-server.ts'

/** Keeps objects in memory; what a test replaces of it is its own. */
export const memoryBackupStore = (objects: Map<string, Buffer> = new Map()): BackupStore & { readonly objects: Map<string, Buffer> } => ({
  where: 'memory',
  objects,
  list: async (prefix) => [...objects.keys()].filter((name) => name.startsWith(prefix)).sort(),
  read: async (name) => objects.get(name),
  write: async (name, bytes) => {
    if (objects.has(name)) return 'exists'
    objects.set(name, Buffer.from(bytes))
    return 'written'
  },
  remove: async (name) => void objects.delete(name),
})

/** The fault that work ended with; undefined: it ended well. What is no BackupError is thrown on. */
export const backupFault = async (work: () => unknown): Promise<BackupFault | undefined> => {
  try {
    await work()
    return undefined
  } catch (thrown) {
    if (thrown instanceof BackupError) return thrown.fault
    throw thrown
  }
}

/** An identity and its recipient. */
export const ageKeys = async (): Promise<{ readonly identity: string; readonly recipient: string }> => {
  const identity = await generateX25519Identity()
  return { identity, recipient: await identityToRecipient(identity) }
}

export interface InstallationToBackUp {
  readonly database: TestDatabase
  readonly feed: pg.Pool
  readonly engine: LedgerEngine
  readonly masterKey: Uint8Array
  readonly identity: string
  readonly recipient: string
  readonly store: BackupStore & { readonly objects: Map<string, Buffer> }
  readonly options: WriteBackupOptions
  /** Registers a clinic, with a person and a patient. */
  clinic(name: string): Promise<LedgerScript>
  /** So many accesses by new patients. */
  fill(script: LedgerScript, accesses: number): Promise<void>
  write(over?: Partial<WriteBackupOptions>): Promise<WrittenBackup>
  open(number?: number, store?: BackupStore): Promise<Backup>
  /** The same one with another store; defaults to one in which there is no backup yet. */
  anew(objects?: ReadonlyMap<string, Buffer>): InstallationToBackUp
}

export const installationToBackUp = async (test: Test): Promise<InstallationToBackUp> => {
  const database = await createTestDatabase(test)
  const owner = new pg.Pool({ connectionString: database.migrateUrl })
  await migrate(owner, schemaMigrations)
  await owner.end()
  const engine = openEngine(test, database)
  const feed = openPool(test, database.feedUrl)
  const writer = openPool(test, database.writerUrl)
  const masterKey = systemRandomness.bytes(32)
  const vault = createVault({
    masterKey: createMasterKey(masterKey, systemRandomness),
    keyStore: createPostgresKeyStore({ pool: writer }),
    randomness: systemRandomness,
  })
  await vault.createClinic('_system')
  const store = memoryBackupStore()
  const { identity, recipient } = await ageKeys()
  const options: WriteBackupOptions = {
    store,
    key: createBackupKey(masterKey),
    source: createPostgresBackupSource({ feed, writer, pageEntries: 7, pageKeys: 3 }),
    recipients: [recipient],
    randomness: systemRandomness,
    segmentBytes: 3_000,
  }
  let patients = 0
  const fill = async (script: LedgerScript, accesses: number): Promise<void> => {
    const subject = await script.staff('ada')
    for (let made = 0; made < accesses; made += 1) {
      patients += 1
      await script.recorded({ subject, patient: await script.patient(`patient ${patients}`), purpose: 'TREAT' })
    }
  }
  const shared = { database, feed, engine, masterKey, identity, recipient, fill }
  const over = (store: InstallationToBackUp['store']): InstallationToBackUp => ({
    ...shared,
    store,
    options: { ...options, store },
    clinic: async (name) => {
      const script = await createLedgerScript(engine, vault, name)
      await script.granted(await script.staff('ada'), 'dentist')
      await fill(script, 1)
      return script
    },
    write: (more = {}) => writeBackup({ ...options, store, ...more }),
    open: (number, from = store) => openBackup({ store: from, key: options.key, identities: [identity], number }),
    anew: (objects) => over(memoryBackupStore(new Map(objects))),
  })
  return over(store)
}
