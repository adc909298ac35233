/** `results/latest.md`: the same figures as `latest.json`, to be read. */
import type { cells } from './cells.ts'
import { type HistoryPage, historyPages } from './history.ts'
import { count, decimals, table } from './markdown.ts'
import type { Results } from './results.ts'
import { type Spread, spreadOf } from './statistics.ts'

const spread = ({ median, lowest, highest }: Spread, show: (value: number) => string): string =>
  lowest === highest ? show(median) : `${show(median)} (${show(lowest)}–${show(highest)})`

const ratiosTable = ({ ratios, ratioDetails }: Results): string =>
  table(
    ['ratio', 'value (lowest–highest)', 'better', 'what it is'],
    Object.keys(ratios).map((name) => {
      const detail = ratioDetails[name]
      if (detail === undefined) return [`\`${name}\``, 'not measured in this form', '', '']
      return [`\`${name}\``, spread({ ...detail, median: detail.value }, decimals), detail.better, detail.definition]
    }),
  )

const loadTable = ({ cells: measured, settings }: Results): string => {
  const inFlight: Partial<Record<keyof typeof cells, string>> = {
    stream: `${settings.streamInFlight}`,
    cerbos_single: `${settings.streamInFlight}`,
    inserts: `1 × ${settings.streamInFlight} rows`,
    batch: `${settings.batchesInFlight} × ${settings.batchSize}`,
    cerbos_batch: `${settings.batchesInFlight} × ${settings.batchSize}`,
    echo: `${4 * settings.unaryInFlight}`,
    cerbos: `${4 * settings.unaryInFlight}`,
    check: `${4 * settings.unaryInFlight}`,
  }
  return table(
    ['', 'in flight', 'a second', 'p50 ms', 'p99 ms'],
    Object.entries(measured).map(([name, { what, perSecond, p50Ms, p99Ms }]) => [
      what,
      inFlight[name as keyof typeof cells] ?? '1',
      spread(perSecond, count),
      spread(p50Ms, decimals),
      spread(p99Ms, decimals),
    ]),
  )
}

const historyTable = ({ history: { rounds, small, large } }: Results): string =>
  table(
    ['page of 100 rows', `p50, p99 ms at ${count(small.rows)}`, `p50, p99 ms at ${count(large.rows)}`],
    (Object.keys(historyPages) as HistoryPage[]).map((page) => {
      const of = (size: 'small' | 'large'): string => {
        const over = (figure: 'p50Ms' | 'p99Ms'): string => decimals(spreadOf(rounds.map((round) => round[size][page][figure])).median)
        return `${over('p50Ms')}, ${over('p99Ms')}`
      }
      return [historyPages[page], of('small'), of('large')]
    }),
  )

const diskTable = ({ disk }: Results): string =>
  table(
    ['table', 'bytes an entry, table', 'indexes', 'together'],
    [
      ...disk.tables.map(({ table: name, tableBytes, indexBytes, bytesPerEntry }) => [
        name,
        count(tableBytes / disk.entries),
        count(indexBytes / disk.entries),
        count(bytesPerEntry),
      ]),
      ['all', '', '', count(disk.bytesPerEntry)],
    ],
  )

const lossTable = ({ loss }: Results): string =>
  table(
    ['killed just after', 'answers', 'on record after the next start'],
    [
      ['service and Postgres', count(loss.chartwarden.answered), count(loss.chartwarden.recorded)],
      ['Cerbos', count(loss.cerbos.answered), count(loss.cerbos.recorded)],
    ],
  )

const memoryTable = ({ memoryMiB }: Results): string =>
  table(
    ['process', 'after the start, MiB', 'most, MiB'],
    Object.entries(memoryMiB).map(([name, { idle, highest }]) => [name, count(idle), count(highest)]),
  )

export const pageOf = (results: Results): string => {
  const { hardware, versions, settings, history, starting } = results
  const { practice } = settings
  return `# Results

\`${results.command}\`, ${results.date}, commit ${results.commit}, ${count(results.tookSeconds)} s in all.

${hardware.cores} cores (${hardware.cpu}), ${hardware.memoryGiB} GiB, ${hardware.system}; Node ${versions.node}, PostgreSQL ${versions.postgres} with fsync on,
grpc-js ${versions.grpcJs}, Cerbos ${versions.cerbos}, ${versions.h2load}.

Service, database, peers and load share these cores; nothing has a core of its own. Median of ${settings.rounds} rounds (lowest–highest), ${settings.secondsEach} s a
cell. ${practice.clinics} clinics by a Pareto distribution, ${practice.people} people and ${practice.patients} patients each, ${count(practice.questions)} distinct questions; h2load repeats one. After every cell of ours
each ledger had grown by exactly the permits that were answered. What is compared, and what is not: [bench/README.md](../README.md).

## Ratios

${ratiosTable(results)}

## Decisions

${loadTable(results)}

The read models came up with the ledger at most ${count(results.readModelsBehindMs)} ms after a cell was over.

What a crash (SIGKILL) leaves of the last answers:

${lossTable(results)}

## Report of accesses

${historyTable(results)}

Filled in ${count(history.small.fillSeconds)} s and ${count(history.large.fillSeconds)} s with copies of rows that the service wrote; the large one takes ${count(history.large.tableBytesPerRow)} bytes a row
and ${count(history.large.indexBytesPerRow)} more for its indexes. The service over it starts in ${count(history.startMs)} ms.

## Read models

Entries a second of a ledger of ${count(results.projections.entries)}, with nothing else under way: ${count(results.projections.rebuildAccessHistory)} into the report of accesses built anew, ${count(results.projections.rebuildAll)} into all
read models built anew, ${count(results.projections.catchUpAll)} into all of them after a pause, ${count(results.projections.liveAll)} while the entries are being appended.

## Logs

A log that nobody sealed before is made at ${count(results.catchUp.entriesPerSecond)} entries a second (${count(results.catchUp.entries)} entries of ${results.catchUp.bytesPerEntry} bytes in ${results.catchUp.clinics} clinics), signed
checkpoints on the way included. What sealing costs decisions is the ratio \`sealing_on_vs_off\`.

## Disk

${count(results.disk.entries)} entries of the load above, just written:

${diskTable(results)}

## Start

In an empty directory ${spread(starting.freshMs, count)} ms; over the entries above ${spread(starting.againMs, count)} ms, and ${spread(starting.firstAnswerMs, count)} ms more to the first answer.

## Memory

${memoryTable(results)}
`
}
