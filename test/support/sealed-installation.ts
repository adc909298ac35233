/** An installation of two clinics whose ledgers are sealed, and copies of it for attackers to work on. */
import { cpSync } from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'
import { provisionDatabase } from '../../services/kernel/postgres/roles.ts'
import { type Clients, clientsOf, hire, readRecord, registerTestClinic, staff } from './clinic.ts'
import { createTestDatabase } from './postgres.ts'
import { openPool } from './postgres-engine.ts'
import type { TestDatabase } from './postgres-server.ts'
import { scratchDirectory, startTestService, type TestService, testEnvironment } from './service.ts'
import { waitFor } from './wait-for.ts'

const clinics = ['north', 'south'] as const

/** State-changing entries after which a snapshot is written. */
const snapshotEvery = 4

/** A database that holds such an installation, and what its process keeps outside of it. */
export interface InstallationCopy {
  readonly database: TestDatabase
  readonly stateDir: string
  readonly environment: Readonly<Record<string, string>>
  /** The service over it, checking nothing by schedule. */
  start(): Promise<TestService>
}

export interface SealedInstallation {
  /** Entries of `north` in the older copy, and in the one of now; both are published. */
  readonly older: bigint
  readonly size: bigint
  /** The checkpoint of now of each clinic, and that of the older copy. */
  readonly checkpoints: Readonly<Record<'north' | 'south', string>>
  readonly olderCheckpoint: string
  /** Receipts of `north`: of an entry in the middle, of the newest of the older copy and of the newest of now. */
  readonly receipts: { readonly middle: string; readonly early: string; readonly last: string }
  /** The entry in the middle. */
  readonly middle: bigint
  /** Keys of the log of `north`, by the service itself. */
  readonly verifierKeys: readonly string[]
  /** `of`: which database; `outside`: which of what its process keeps outside of it. Both default to those of now. */
  copy(test: Test, of?: 'now' | 'older', outside?: 'now' | 'older'): Promise<InstallationCopy>
}

const published = async ({ audit }: Clients, clinic: string): Promise<{ note: string; size: bigint; verifierKeys: readonly string[] }> => {
  let found: Awaited<ReturnType<Clients['audit']['getCheckpoint']>> | undefined
  await waitFor(`the checkpoint of ${clinic}`, async () => {
    found = await audit.getCheckpoint({ clinic }).catch(() => undefined)
    return found !== undefined && found.checkpoint?.size === found.sequenced
  })
  const { checkpoint, verifierKeys } = found as NonNullable<typeof found>
  return { note: checkpoint?.note ?? '', size: checkpoint?.size ?? 0n, verifierKeys }
}

const record = async ({ audit }: Clients, clinic: string, count: number): Promise<void> => {
  const accesses = Array.from({ length: count }, () => {
    const { intent: _, clinic: __, ...access } = readRecord(clinic, 'ada')
    return access
  })
  await audit.recordAccessBatch({ clinic, accesses })
}

/** The same server under another name of the database. */
const renamed = (database: TestDatabase, name: string): TestDatabase => {
  const of = (url: string): string => {
    const other = new URL(url)
    other.pathname = `/${name}`
    return other.href
  }
  const { adminUrl, migrateUrl, writerUrl, feedUrl, queryUrl } = database
  return {
    name,
    adminUrl: of(adminUrl),
    migrateUrl: of(migrateUrl),
    writerUrl: of(writerUrl),
    feedUrl: of(feedUrl),
    queryUrl: of(queryUrl),
    close: async () => {},
  }
}

export const sealedInstallation = async (test: Test): Promise<SealedInstallation> => {
  const database = await createTestDatabase(test)
  const scratch = scratchDirectory(test, 'sealed')
  const stateDir = path.join(scratch, 'now')
  const olderDir = path.join(scratch, 'older')
  const server = openPool(test, renamed(database, 'postgres').adminUrl, { max: 1 })
  let copies = 0

  const copyDatabase = async (source: string, name: string): Promise<TestDatabase> => {
    const client = await server.connect()
    try {
      // Connections that were closed are gone a moment later.
      await waitFor('the template to be free', async () => {
        const { rowCount } = await client.query('select from pg_stat_activity where datname = $1', [source])
        return rowCount === 0
      })
      await client.query(`create database ${name} template ${source} owner chartwarden_owner`)
      await provisionDatabase(client, name)
    } finally {
      client.release()
    }
    return renamed(database, name)
  }
  const over = { CHARTWARDEN_SELF_CHECK_HOURS: '0', CHARTWARDEN_PUBLISH_INTERVAL_MS: '100' }
  const begin = async (): Promise<{ service: TestService; clients: Clients }> => {
    const service = await startTestService(test, { database, stateDir, snapshotEvery, environment: over })
    return { service, clients: clientsOf(service, await service.token({ clinics: [...clinics] })) }
  }

  const first = await begin()
  for (const clinic of clinics) {
    await registerTestClinic(first.clients, clinic)
    for (const person of ['ada', 'ben', 'cora']) await hire(first.clients, clinic, person)
    await record(first.clients, clinic, 280)
  }
  const early = await published(first.clients, 'north')
  const middle = 100n
  const receiptOf = async ({ audit }: Clients, revision: bigint): Promise<string> =>
    (await audit.awaitReceipt({ clinic: 'north', key: { case: 'revision', value: revision } })).receipt
  const receipts = { middle: await receiptOf(first.clients, middle), early: await receiptOf(first.clients, early.size - 1n) }
  await first.service.stop()
  const olderDatabase = await copyDatabase(database.name, `${database.name}_older`)
  cpSync(stateDir, olderDir, { recursive: true })

  const second = await begin()
  for (const clinic of clinics) {
    for (const person of ['dana', 'emil', 'fay']) await hire(second.clients, clinic, person)
    await record(second.clients, clinic, 300)
    await second.clients.people.offboard({ requestId: crypto.randomUUID(), clinic, subject: staff('ben'), reason: 'left' })
  }
  const late = await published(second.clients, 'north')
  const south = await published(second.clients, 'south')
  const last = await receiptOf(second.clients, late.size - 1n)
  await second.service.stop()

  return {
    older: early.size,
    size: late.size,
    checkpoints: { north: late.note, south: south.note },
    olderCheckpoint: early.note,
    receipts: { ...receipts, last },
    middle,
    verifierKeys: late.verifierKeys,
    copy: async (of, which = 'now', outside = 'now') => {
      copies += 1
      const source = which === 'now' ? database.name : olderDatabase.name
      const copied = await copyDatabase(source, `${database.name}_${copies}`)
      const directory = path.join(scratchDirectory(of, 'attacked'), 'state')
      cpSync(outside === 'now' ? stateDir : olderDir, directory, { recursive: true })
      const environment = { ...testEnvironment(copied, directory), ...over } as Readonly<Record<string, string>>
      return {
        database: copied,
        stateDir: directory,
        environment,
        start: () => startTestService(of, { database: copied, stateDir: directory, snapshotEvery, environment: over }),
      }
    },
  }
}
