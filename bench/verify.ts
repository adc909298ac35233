/**
 * Building the tree over a ledger's entries, and checking it, beside bare SHA-256 of the same bytes: on one core without any I/O, and then the
 * whole of `chartwarden verify --database` on a real Postgres.
 * `node bench/verify.ts [entries, default 102,400] [rounds, default 31] [entries in the database, default 100,000; 0: without]`
 * Processor time, since other programs may run. Each round measures every way once, in turn, and a ratio is the median of the rounds' own.
 */
import { hash, randomBytes } from 'node:crypto'
import { loadavg } from 'node:os'
import { formatBundle } from '../services/audit/log/entry-bundle.ts'
import { createNodeLanes } from '../services/audit/log/node-lanes.ts'
import { type Tile, tileWidth } from '../services/audit/log/tile.ts'
import { nodeHash } from '../services/audit/log/tree-hash.ts'
import { createTreeHasher } from '../services/audit/log/tree-hasher.ts'
import type { LedgerPart } from '../services/audit/log/verify/found.ts'
import { observe } from '../services/audit/log/verify/observe.ts'
import { machine } from './machine.ts'
import { type Spread, spreadOf } from './measure/statistics.ts'
import { checkDatabase } from './verify-database.ts'

const count = Number(process.argv[2] ?? 102_400)
const rounds = Number(process.argv[3] ?? 31)
const inDatabase = Number(process.argv[4] ?? 100_000)
const warmUp = 4

/** As long as entries are: 600 to 1,300 bytes, all lengths equally often. */
const entries = Array.from({ length: count }, (_, place) => randomBytes(600 + ((place * 7_919) % 701)))
const bytes = entries.reduce((sum, entry) => sum + entry.length, 0)

const bundles = Array.from({ length: Math.ceil(count / tileWidth) }, (_, index) =>
  formatBundle(entries.slice(index * tileWidth, (index + 1) * tileWidth)),
)

const tiles: Tile[] = []
const kept = createTreeHasher({ onTile: (tile) => tiles.push(tile) })
for (const entry of entries) kept.append(entry)
const leaves = tiles.filter(({ level }) => level === 0)

/** Where bundles arrive, one after the other. */
const arrived = Buffer.alloc(Math.max(...bundles.map(({ length }) => length)))

/** What a check of the ledger reads: each bundle as it arrives, and behind it the tile of its leaf hashes. */
async function* ledger(): AsyncGenerator<LedgerPart> {
  for (const [index, bundle] of bundles.entries()) {
    const bytes = arrived.subarray(0, bundle.copy(arrived))
    yield { kind: 'bundle', bundle: { first: BigInt(index * tileWidth), most: tileWidth, bytes } }
    const tile = leaves[index]
    if (tile !== undefined) yield { kind: 'tile', tile }
  }
}

const pairs = 128
const lanes = createNodeLanes()
const row = randomBytes(64 * pairs)
const [left, right] = [row.subarray(0, 32), row.subarray(32, 64)]

interface Way {
  readonly name: string
  readonly hashes: number
  readonly run: () => void | Promise<void>
}

const ways: readonly Way[] = [
  {
    name: 'bare SHA-256, `crypto.hash`',
    hashes: count,
    run: () => {
      for (const entry of entries) hash('sha256', entry)
    },
  },
  {
    name: 'the tree, of single entries',
    hashes: count,
    run: () => {
      const hasher = createTreeHasher()
      for (const entry of entries) hasher.append(entry)
      hasher.root()
    },
  },
  {
    name: 'the tree, of bundles',
    hashes: count,
    run: () => {
      const hasher = createTreeHasher()
      for (const bundle of bundles) hasher.appendBundle(bundle)
      hasher.root()
    },
  },
  {
    name: 'the check: entries beside their tiles',
    hashes: count,
    run: async () => {
      await observe({ clinic: 'bench', parts: ledger(), sizes: [BigInt(count)] })
    },
  },
  {
    name: 'nodes, one at a time',
    hashes: count,
    run: () => {
      for (let place = 0; place < count; place += 1) nodeHash(left, right)
    },
  },
  {
    name: 'nodes, four at a time',
    hashes: Math.ceil(count / pairs) * pairs,
    run: () => {
      for (let done = 0; done < count; done += pairs) {
        lanes.memory.set(row, 64)
        lanes.hashPairs(64, pairs)
      }
    },
  },
]

const spent = new Map<Way, number[]>(ways.map((way) => [way, []]))
for (let round = -warmUp; round < rounds; round += 1) {
  for (const way of ways) {
    const before = process.cpuUsage()
    await way.run()
    const { user, system } = process.cpuUsage(before)
    if (round >= 0) spent.get(way)?.push((1_000 * (user + system)) / way.hashes)
  }
}

const [bare, ...others] = ways.map((way) => ({ way, times: spent.get(way) ?? [] }))
if (bare === undefined) throw new Error('nothing was measured')

const whole = (value: number): string => Math.round(value).toLocaleString('en')
const shown = ({ median, lowest, highest }: Spread, unit = ''): string => `${whole(median)}${unit} (${whole(lowest)}–${whole(highest)})`
process.stdout.write(
  `${machine()}; load ${loadavg()[0]?.toFixed(1)}; ${whole(count)} entries, ${whole(bytes / count)} bytes on average\n\n`,
)
process.stdout.write('| | a second | ns each | rate beside bare, median (lowest–highest round) |\n| --- | --- | --- | --- |\n')
for (const { way, times } of [bare, ...others]) {
  const ratios = times.map((each, round) => (100 * (bare.times[round] ?? 0)) / each)
  const ratio = spreadOf(ratios)
  const time = spreadOf(times).median
  process.stdout.write(`| ${way.name} | ${whole(1e9 / time)} | ${whole(time)} | ${shown(ratio, ' %')} |\n`)
}

if (inDatabase > 0) {
  const { entries: checked, bytesPerEntry, perSecond, spentNs, bareNs, beside } = await checkDatabase(inDatabase, 9)
  process.stdout.write(`
verify --database; load ${loadavg()[0]?.toFixed(1)}; ${whole(checked)} entries, ${whole(bytesPerEntry)} bytes on average

| entries a second by the clock | processor time of the verifying process, ns each | bare SHA-256, ns each | rate beside bare, processor time |
| --- | --- | --- | --- |
| ${shown(perSecond)} | ${shown(spentNs)} | ${shown(bareNs)} | ${shown(beside, ' %')} |
`)
}
process.exit(0)
