/** `bench/results/faults.md`: the same figures as `faults.json`, to be read. */
import { spreadOf } from '../../bench/measure/statistics.ts'
import type { FaultResults } from './results.ts'
import type { FaultMoment, ScenarioResult } from './scenario.ts'

const count = (value: number): string => value.toLocaleString('en')

const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heads, heads.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')

const spread = (moments: readonly FaultMoment[], figure: (moment: FaultMoment) => number, show: (value: number) => string): string => {
  const { median, lowest, highest } = spreadOf(moments.map(figure))
  return moments.length === 1 ? show(median) : `${show(median)} (${show(lowest)}–${show(highest)})`
}

const seconds = (milliseconds: number): string => (milliseconds / 1_000).toFixed(1)

const heads = [
  'fault',
  'times',
  'in flight at each',
  'asked',
  'answered',
  'logged',
  'lost',
  'duplicated',
  'gaps',
  'permits while not durable',
  'answered again after, s',
] as const

const rowOf = ({ name, accounted, moments }: ScenarioResult, hasOrder: boolean): readonly string[] => [
  name,
  count(moments.length),
  spread(
    moments,
    ({ inFlight }) => inFlight,
    (value) => count(Math.round(value)),
  ),
  count(accounted.asked),
  count(accounted.answered),
  count(accounted.logged),
  count(accounted.lost),
  count(accounted.duplicated),
  hasOrder ? count(accounted.gaps) : '–',
  count(accounted.permitsNotDurable),
  spread(moments, ({ recoveryMs }) => recoveryMs, seconds),
]

const sentences = ({ name, what, seen, refusals, problems }: ScenarioResult): string => {
  const refused = Object.entries(refusals).map(([reason, times]) => `${count(times)} ${reason}`)
  const said = refused.length === 0 ? 'No call failed.' : `Calls that failed and were made again: ${refused.join(', ')}.`
  return `- **${name}.** ${[what, ...seen, said, ...problems.map((problem) => `**Not held: ${problem}.**`)].join(' ')}`
}

const momentsTable = (moments: readonly FaultMoment[]): string =>
  table(
    ['killed', 'in flight', 'answered by then', 'answered again after, s'],
    moments.map(({ what, inFlight, answered, recoveryMs }) => [what, count(inFlight), count(answered), seconds(recoveryMs)]),
  )

const syncsSection = (walSyncs: FaultResults['walSyncs']): string => `## Syncs of the write-ahead log

${table(
  ['', 'answers', 'statements', 'syncs by the statements that store entries'],
  walSyncs.map(({ what, answers, statements, syncs }) => [what, count(answers), count(statements), count(syncs)]),
)}

Counted by Postgres itself (\`pg_stat_io\`). Production refuses a database with \`fsync=off\`.

`

export const pageOf = (results: FaultResults): string => {
  const { scenarios, peer, notRun, walSyncs, problems } = results
  const kills = scenarios.find(({ name }) => name === 'kill -9')
  return `# What is left after faults

\`${results.command}\`, commit ${results.commit}, ${Math.round(results.tookSeconds)} s in all. ${results.machine}; ${results.versions}. Load average at the end: ${results.loadAverage.toFixed(1)}.
${problems.length === 0 ? 'Everything that is required held: lost 0, duplicated 0, gaps 0, permits while not durable 0, recovery with nothing done by hand.' : `**${problems.length} things that are required did not hold.**`}

Callers ask again under the same request id until they are answered. Afterwards every answer is looked for in the ledger, at its revision and with
its decision; every entry must belong to one answer; every revision and position must have an entry; and the service must find each ledger in
agreement with its signed log, its state and its read models. What the columns mean, and how to run it: [docs/explanation/faults.md](../../docs/explanation/faults.md).

${table(
  heads,
  scenarios.map((scenario) => rowOf(scenario, true)),
)}

${scenarios.map(sentences).join('\n')}
${notRun.length === 0 ? '' : `\nNot run here: ${notRun.map(({ name, why }) => `${name} (${why})`).join('; ')}.\n`}
## Cerbos, through the same

${
  peer.length === 0
    ? 'Not run.'
    : `${table(
        heads,
        peer.map((scenario) => rowOf(scenario, false)),
      )}

${peer.map(sentences).join('\n')}

Cerbos numbers no entries, so that gaps cannot be told. A lost decision is an ALLOW that was answered and is not in its log after it was stopped in
order. It does not wait for its log, and does not claim to. A question that is asked again is a second entry there.`
}

${walSyncs.length === 0 ? '' : syncsSection(walSyncs)}${kills === undefined ? '' : `## Each kill\n\n${momentsTable(kills.moments)}\n`}`
}
