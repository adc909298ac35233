/** Entries shown to people come from the stream of their own clinic. */
import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { createKurrentClinicReader } from '../../../../services/audit/engines/kurrent/clinic-reader.ts'
import { createStreamReader } from '../../../../services/audit/engines/kurrent/stream-reader.ts'
import type { KurrentStreams } from '../../../../services/audit/engines/kurrent/streams.ts'
import { noState } from '../../../../services/audit/ledger.ts'
import { createClinicGate } from '../../../../services/kernel/clinic-gate.ts'
import { systemClock } from '../../../../services/kernel/clock.ts'
import { fault } from '../../../support/fault.ts'
import { startKurrentDouble } from '../../../support/kurrent-double/double.ts'
import { openKurrentEngine } from '../../../support/kurrent-engine.ts'
import { createIndexDatabase } from '../../../support/kurrent-index.ts'
import { change, collect, decision } from '../../../support/ledger-entries.ts'
import { openPool } from '../../../support/postgres-engine.ts'

const database = await createIndexDatabase(t)
const double = await startKurrentDouble(t)
const engine = await openKurrentEngine(t, double.url, database)
const pool = openPool(t, database.queryUrl, { max: 2 })
const forEver = { deadline: Number.POSITIVE_INFINITY }

const ids = new Map<string, readonly string[]>()
for (const clinic of ['north', 'south']) {
  const entries = [change(), ...Array.from({ length: 24 }, (_, at) => decision({ bytes: Buffer.from(`${clinic} entry ${at + 1}.`) }))]
  ids.set(
    clinic,
    entries.map(({ id }) => id),
  )
  await engine.appendBatch([{ clinic, entries, restsOn: noState }])
}
const readerWith = (gate = createClinicGate({ clock: systemClock })) =>
  createKurrentClinicReader({ reader: engine.reader, pool, gate, pageEntries: 10 })
const reader = readerWith()

t.test('a clinic’s entries are read in pages, in order, and no other clinic’s', async (t) => {
  const read = async (clinic: string, from: bigint, to: bigint) => (await collect(reader.read(clinic, from, to))).map(({ id }) => id)
  for (const clinic of ['north', 'south', 'north']) {
    t.same(await read(clinic, 0n, 100n), ids.get(clinic))
    t.same(await read(clinic, 5n, 7n), ids.get(clinic)?.slice(5, 8))
  }
  t.same(await read('nowhere', 0n, 100n), [])
  const [northern] = ids.get('north') as [string]
  t.same([...(await reader.find('north', [northern, 'no uuid'])).keys()], [northern])
  t.same([...(await reader.find('south', [northern])).keys()], [])
  const left = await pool.query('select count(*)::int as count from chartwarden_kurrent.entries')
  t.same(left.rows, [{ count: 0 }], 'the connection sees nothing once the reading is over')
})

t.test('what holds all of some texts is found, wherever it is', async (t) => {
  const holding = async (clinic: string, texts: readonly string[], from = 0n, to = 100n) =>
    (await collect(reader.holding(clinic, texts, from, to, forEver))).map(({ revision }) => Number(revision))
  t.same(await holding('north', ['entry 1.']), [1])
  t.same(await holding('north', ['north', 'entry 2']), [2, 20, 21, 22, 23, 24])
  t.same(await holding('north', ['entry 2'], 3n, 21n), [20, 21])
  t.same(await holding('north', ['south']), [])
})

t.test('rows are shown as they stand, a revision that is missing among them', async (t) => {
  const rows = await reader.rows('south', 20n, 3)
  t.same(
    rows.map(({ id }) => id),
    ids.get('south')?.slice(20, 23),
  )
  const holed = createStreamReader({
    streams: reading(async () => [0n, 2n].map((revision) => ({ ...eventLike, revision }))),
    index: nothingIndexed,
    names: { prefix: '', streamOf: (clinic) => clinic, clinicOf: (stream) => stream },
    pageEntries: 10,
  })
  t.same(
    (await holed.found('north', 0n, 10)).map(({ revision }) => revision),
    [0n, 2n],
  )
  await t.rejects(holed.page('north', 0n, 10), fault('INTERNAL'), 'whoever goes by them is told')
})

const reading = (read: KurrentStreams['read']) => ({ read, readAnew: read })

const nothingIndexed = { head: async () => undefined }

const eventLike = {
  id: randomUUID(),
  stream: 'north',
  type: 'x',
  data: randomBytes(4),
  metadata: { entryId: randomUUID(), requestDigest: randomBytes(32).toString('base64'), stateChanging: false, recordedAt: 1 },
}

t.test('an event that is of another stream, or no entry, is never shown', async (t) => {
  const faulty: Readonly<Record<string, object>> = {
    'another stream': { stream: 'south' },
    'no metadata': { metadata: undefined },
    'no id': { metadata: { ...eventLike.metadata, entryId: 'x' } },
    'half a digest': { metadata: { ...eventLike.metadata, requestDigest: randomBytes(16).toString('base64') } },
    'a state that is a word': { metadata: { ...eventLike.metadata, stateChanging: 'no' } },
    'a time that is none': { metadata: { ...eventLike.metadata, recordedAt: 1.5 } },
    'no bytes': { data: Buffer.alloc(0) },
    'too many bytes': { data: Buffer.alloc(65_536) },
    'JSON in place of bytes': { data: { a: 1 } },
  }
  for (const [name, difference] of Object.entries(faulty)) {
    const reader = createStreamReader({
      streams: reading(async () => [{ ...eventLike, revision: 0n, ...difference }]),
      index: nothingIndexed,
      names: { prefix: '', streamOf: (clinic) => clinic, clinicOf: (stream) => stream },
      pageEntries: 10,
    })
    await t.rejects(reader.found('north', 0n, 1), fault('INTERNAL'), name)
  }
})

t.test('entries are read in the clinic’s turn, and not for who has gone', async (t) => {
  const gate = createClinicGate({ places: 2, clinicPlaces: 1, clock: systemClock })
  const gated = readerWith(gate)
  const { promise, resolve: leave } = Promise.withResolvers<void>()
  const held = gate.run('north', 'light', forEver, () => promise)
  const gone = new AbortController()
  const waiting = collect(gated.read('north', 0n, 9n, { ...forEver, signal: gone.signal }))
  t.equal((await collect(gated.read('south', 0n, 9n))).length, 10, 'another clinic’s turn has nothing to do with it')
  await t.rejects(gated.find('north', [], { deadline: systemClock.monotonic() + 50 }), fault('DEADLINE_EXCEEDED'))
  gone.abort()
  await t.rejects(waiting, fault('CALL_CANCELLED'))
  leave()
  await held
  t.equal((await collect(gated.read('north', 0n, 9n))).length, 10)
})
