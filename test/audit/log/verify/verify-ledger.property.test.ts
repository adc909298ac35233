/** Whatever is done to a ledger and its log, what is reported is true, and what an anchor excludes does not pass. */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { Tile } from '../../../../services/audit/log/tile.ts'
import type { Fault } from '../../../../services/audit/log/verify/fault.ts'
import type { LedgerReport } from '../../../../services/audit/log/verify/report.ts'
import { greatest } from '../../../../services/audit/log/verify/sizes.ts'
import { type LedgerSource, verifyLedger } from '../../../../services/audit/log/verify/verify-ledger.ts'
import {
  checkpointOf,
  entryBytes,
  foundIn,
  inBundles,
  keptCheckpoint,
  keptReceipt,
  logKeyOf,
  receiptOf,
  sourceOf,
  tilesOf,
  verifierKeyFor,
} from '../../../support/kept-ledger.ts'

const clinic = 'north'
const key = logKeyOf('the clinic')
const intruder = logKeyOf('somebody else')

/** Entries by revision as they are after the deed; undefined: the row is gone and the others keep their numbers. */
type Rows = readonly (Buffer | undefined)[]

const deeds = ['nothing', 'edit', 'delete', 'delete and renumber', 'insert', 'swap', 'of another clinic', 'truncate'] as const

interface Deed {
  readonly name: (typeof deeds)[number]
  readonly at: number
  readonly many: number
}

const originals = Array.from({ length: 600 }, (_, revision) => entryBytes(clinic, BigInt(revision)))

const done = (original: readonly Buffer[], { name, at, many }: Deed): Rows => {
  const other = (at + many) % original.length
  switch (name) {
    case 'nothing':
      return original
    case 'edit':
      return original.map((row, index) => (index === at ? entryBytes(clinic, BigInt(at), 'edited') : row))
    case 'delete':
      return original.map((row, index) => (index >= at && index < at + many ? undefined : row))
    case 'delete and renumber':
      return original.filter((_, index) => index < at || index >= at + many)
    case 'insert':
      return original.toSpliced(at, 0, ...Array.from({ length: many }, (_, index) => entryBytes(clinic, BigInt(at), `new ${index}`)))
    case 'swap':
      return original.map((row, index) => original[index === at ? other : index === other ? at : index] ?? row)
    case 'of another clinic':
      return original.map((row, index) => (index === at ? entryBytes('south', BigInt(at)) : row))
    case 'truncate':
      return original.slice(0, at)
  }
}

const forgeries = ['nothing', 'leaves', 'all'] as const
const publications = ['kept', 'none', 'older', 'with the key', 'with another key'] as const

const present = (rows: Rows): readonly Buffer[] => rows.map((row) => row ?? Buffer.from('gone'))

/** Tiles after the deed: the old ones, those with only the leaves made to fit, or all of them made to fit. */
const forge = (how: (typeof forgeries)[number], original: readonly Buffer[], rows: Rows): readonly Tile[] => {
  if (how === 'nothing') return tilesOf(original)
  const fitting = tilesOf(present(rows))
  return how === 'all' ? fitting : [...fitting.filter(({ level }) => level === 0), ...tilesOf(original).filter(({ level }) => level > 0)]
}

const scenario = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 250, max: originals.length })).chain((count) => {
  const size = fc.integer({ min: 1, max: count }).map(BigInt)
  return fc.record({
    count: fc.constant(count),
    deed: fc.record({ name: fc.constantFrom(...deeds), at: fc.nat({ max: count - 1 }), many: fc.integer({ min: 1, max: 300 }) }),
    forgery: fc.constantFrom(...forgeries),
    publication: fc.constantFrom(...publications),
    publishedSize: size,
    sizes: fc.array(size, { maxLength: 2 }),
    receipts: fc.array(fc.tuple(fc.nat({ max: count - 1 }), size), { maxLength: 2 }),
    knowsKey: fc.boolean(),
  })
})

type Scenario = typeof scenario extends fc.Arbitrary<infer Value> ? Value : never

const before = ({ count }: Scenario): readonly Buffer[] => originals.slice(0, count)
const after = (given: Scenario): Rows => done(before(given), given.deed)

const publishedAfter = (given: Scenario): readonly string[] => {
  const { publication, publishedSize } = given
  const [original, rows] = [before(given), present(after(given))]
  const fitting = BigInt(rows.length) < publishedSize ? BigInt(rows.length) : publishedSize
  if (publication === 'none') return []
  if (publication === 'kept') return [checkpointOf(clinic, original, publishedSize, key)]
  if (publication === 'older') return [checkpointOf(clinic, original, publishedSize / 2n, key)]
  return [checkpointOf(clinic, rows, fitting, publication === 'with the key' ? key : intruder)]
}

const same = (source: LedgerSource): LedgerSource => source

const verify = (given: Scenario, anchored = true, as = same): Promise<LedgerReport> => {
  const { forgery, publication, sizes, receipts, knowsKey } = given
  const [original, rows] = [before(given), after(given)]
  const shown = publication === 'with another key' ? intruder : key
  return verifyLedger({
    source: as(
      sourceOf({
        clinic,
        entries: foundIn(rows),
        tiles: anchored ? forge(forgery, original, rows) : [],
        published: anchored ? publishedAfter(given) : [],
        keys: [verifierKeyFor(clinic, shown)],
      }),
    ),
    anchors: {
      checkpoints: anchored ? sizes.map((size, at) => keptCheckpoint(checkpointOf(clinic, original, size, key), `checkpoint ${at}`)) : [],
      receipts: anchored
        ? receipts.map(([index, size], at) => {
            const within = BigInt(index) < size ? BigInt(index) : size - 1n
            return keptReceipt(receiptOf(clinic, original, within, size, key), `receipt ${at}`)
          })
        : [],
      keys: knowsKey ? [verifierKeyFor(clinic, key)] : [],
    },
  })
}

/** The first revision that is not as it was; undefined: all are. */
const firstChange = (given: Scenario): number | undefined => {
  const rows = after(given)
  const at = before(given).findIndex((row, index) => rows[index]?.equals(row) !== true)
  return at === -1 ? undefined : at
}

const isTrue = (given: Scenario, { kind, revision, lastRevision, detail }: Fault): boolean => {
  const { deed, forgery, publication, publishedSize } = given
  const [original, rows] = [before(given), after(given)]
  const [first, last] = [Number(revision), Number(lastRevision)]
  const was = (bytes: Buffer | undefined): number => (bytes === undefined ? -1 : original.findIndex((row) => row.equals(bytes)))
  const some = (holds: (row: Buffer | undefined, at: number) => boolean): boolean => {
    for (let at = first; at <= last; at += 1) if (holds(rows[at], at)) return true
    return false
  }
  const each = (holds: (row: Buffer | undefined, at: number) => boolean): boolean => !some((row, at) => !holds(row, at))
  switch (kind) {
    case 'entry_changed':
      return some((row, at) => row?.equals(original[at] ?? Buffer.alloc(0)) !== true)
    case 'entry_missing':
      return each((row, at) => row === undefined || !rows.some((other) => other?.equals(original[at] as Buffer)))
    case 'entry_inserted':
      return each((row) => was(row) === -1)
    case 'entries_reordered':
      return each((row, at) => was(row) !== at && detail.includes(`revision ${was(row)}.`)) || some((row, at) => was(row) !== at)
    case 'entry_of_another_clinic':
      return each((row) => row?.includes('/clinics/south') === true)
    case 'ledger_truncated':
    case 'ledger_rolled_back':
      return each((row) => row === undefined)
    case 'tile_changed':
      // Whoever signs the damaged entries anew makes them what is signed, and what was kept before differs from that.
      return deed.name !== 'nothing' && (forgery !== 'nothing' || publication.startsWith('with'))
    case 'key_replaced':
      return publication === 'with another key'
    case 'checkpoint_inconsistent':
      return publication !== 'kept' || publishedSize < BigInt(original.length)
    default:
      return false
  }
}

const runs = { numRuns: 300 }

t.test('nothing is reported of a ledger that nobody has touched', () =>
  fc.assert(
    fc.asyncProperty(scenario, async (given) => {
      const untouched: Scenario = { ...given, deed: { ...given.deed, name: 'nothing' }, publication: 'kept' }
      const sizes = [given.publishedSize, ...given.sizes, ...given.receipts.map(([, size]) => size)]
      const report = await verify({ ...untouched, publishedSize: greatest(sizes) })
      return report.faults.length === 0 && report.outcome === 'verified'
    }),
    runs,
  ),
)

t.test('what a checkpoint or receipt from outside excludes is found, whatever was forged along', () =>
  fc.assert(
    fc.asyncProperty(scenario, async (given) => {
      const change = firstChange(given)
      const sizes = [...given.sizes, ...given.receipts.map(([, size]) => size)]
      fc.pre(change !== undefined && sizes.some((size) => size > BigInt(change)))
      return (await verify(given)).outcome === 'damaged'
    }),
    runs,
  ),
)

t.test('twin: without anything to compare with, the same deeds are not found, and the report does not say that they are not there', () =>
  fc.assert(
    fc.asyncProperty(scenario, async (given) => {
      fc.pre(['edit', 'swap', 'insert', 'truncate', 'delete and renumber'].includes(given.deed.name))
      const report = await verify(given, false)
      return report.outcome === 'unchecked' && report.notExcluded.some(({ code }) => code === 'rewritten_with_keys')
    }),
    runs,
  ),
)

t.test('every fault that is reported is true', () =>
  fc.assert(
    fc.asyncProperty(scenario, async (given) => {
      const { faults } = await verify(given)
      for (const fault of faults) {
        if (!isTrue(given, fault))
          throw new Error(
            `${fault.kind} ${fault.revision}-${fault.lastRevision}: ${fault.detail} (${given.deed.name}, ${given.forgery}, ${given.publication})`,
          )
      }
    }),
    { numRuns: 500 },
  ),
)

t.test('a key put in place of the known one is found with the known one', () =>
  fc.assert(
    fc.asyncProperty(scenario, async (given) => {
      const report = await verify({ ...given, publication: 'with another key', knowsKey: true })
      return report.faults.some(({ kind }) => kind === 'key_replaced')
    }),
    { numRuns: 50 },
  ),
)

t.test('bundles are judged as their entries are one by one, to the last word', () =>
  fc.assert(
    fc.asyncProperty(scenario, async (given) => isDeepStrictEqual(await verify(given, true, inBundles), await verify(given))),
    { numRuns: 200 },
  ),
)
