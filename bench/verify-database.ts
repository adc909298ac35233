/** The whole way of `chartwarden verify --database`, in this process, beside bare SHA-256 of the same entries. */
import { hash, randomBytes, randomUUID } from 'node:crypto'
import { sealEnvelope } from '../services/audit/entry.ts'
import type { NewEntry } from '../services/audit/ledger.ts'
import { verifyDatabase } from '../services/verify-database.ts'
import { appendOf } from '../test/support/ledger-entries.ts'
import { type Spread, spreadOf } from './measure/statistics.ts'
import { withSealedLedger } from './sealed-ledger.ts'

export interface DatabaseChecked {
  readonly entries: number
  readonly bytesPerEntry: number
  /** By the clock, the server's work included. */
  readonly perSecond: Spread
  /** Processor time of the verifying process for an entry, and of bare SHA-256; nanoseconds. */
  readonly spentNs: Spread
  readonly bareNs: Spread
  /** Rate beside that of bare SHA-256, in processor time; percent. */
  readonly beside: Spread
}

const clinic = 'bench'
const appends = 500

/** As the service writes them, 600 to 1,300 bytes long. The first one opens the clinic. */
const newEntry = (place: number): NewEntry =>
  sealEnvelope({
    clinic,
    id: randomUUID(),
    type: place === 0 ? 'chartwarden.role.granted.v1' : 'chartwarden.access.decided.v1',
    stateChanging: place === 0,
    time: Date.now(),
    provenance: { caller: 'bench' },
    requestDigest: randomBytes(32),
    salt: randomBytes(16),
    data: { decision: 'permit', ciphertext: randomBytes(((600 - 400 + ((place * 7_919) % 701)) * 3) >> 2).toString('base64') },
  })

const spent = async (work: () => void | Promise<void>): Promise<number> => {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return 1_000 * (user + system)
}

export const checkDatabase = (entries: number, rounds: number): Promise<DatabaseChecked> =>
  withSealedLedger(async ({ database, admin, engine, verifierKey, seal }) => {
    const written = Array.from({ length: entries }, (_, place) => newEntry(place))
    for (let first = 0; first < entries; first = first === 0 ? 1 : first + appends) {
      const batch = written.slice(first, first === 0 ? 1 : first + appends)
      const stored = await engine.appendBatch(batch.map((entry) => appendOf(clinic, first === 0 ? -1n : 0n, [entry])))
      if (stored.some(({ kind }) => kind !== 'stored')) throw new Error('an entry was not stored')
    }
    await seal(entries)
    await admin.query('vacuum analyze chartwarden_ledger.entries')
    const { rows } = await admin.query<{ origin: string }>('select origin from chartwarden_log.logs')
    const options = {
      environment: { DATABASE_URL: database.adminUrl },
      logger: { info: () => {}, warn: console.error, error: console.error } as never,
      clinic,
      anchorsOf: () => ({ checkpoints: [], receipts: [], keys: rows.map(({ origin }) => verifierKey(origin)) }),
      anchored: [],
      onLedger: () => () => {},
    }
    const check = async (): Promise<void> => {
      for await (const { outcome, entries: read, faults } of verifyDatabase(options)) {
        if (outcome !== 'verified' || read !== BigInt(entries)) throw new Error(`${read} entries ${outcome}: ${faults[0]?.detail}`)
      }
    }
    await check()
    const measured: { readonly seconds: number; readonly checked: number; readonly bare: number }[] = []
    for (let round = 0; round < rounds; round += 1) {
      const bare = await spent(() => {
        for (const { bytes } of written) hash('sha256', bytes)
      })
      const started = performance.now()
      const checked = await spent(check)
      measured.push({ seconds: (performance.now() - started) / 1_000, checked, bare })
    }
    return {
      entries,
      bytesPerEntry: written.reduce((sum, { bytes }) => sum + bytes.length, 0) / entries,
      perSecond: spreadOf(measured.map(({ seconds }) => entries / seconds)),
      spentNs: spreadOf(measured.map(({ checked }) => checked / entries)),
      bareNs: spreadOf(measured.map(({ bare }) => bare / entries)),
      beside: spreadOf(measured.map(({ checked, bare }) => (100 * bare) / checked)),
    }
  })
