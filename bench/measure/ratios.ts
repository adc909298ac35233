import type { SealingRound } from '../parts/sealing.ts'
import type { Round } from './cells.ts'
import type { HistoryRound } from './history.ts'
import { spreadOf } from './statistics.ts'

/** One ratio over all rounds. */
export interface Ratio {
  /** Median of the rounds' own ratios, so that what slows a whole round does not count. */
  readonly value: number
  readonly lowest: number
  readonly highest: number
  readonly better: 'higher' | 'lower'
  readonly definition: string
}

interface LoadRatio {
  readonly better: Ratio['better']
  readonly definition: string
  readonly of: (round: Round) => number
}

const durable = 'Ours is decided, sealed, appended and synced before each answer; theirs writes its decision log afterwards.'

export const loadRatios = {
  unary_vs_cerbos: {
    better: 'higher',
    definition: `Check a second ÷ Cerbos CheckResources (one resource, one action) a second; both gRPC under the same h2load, 128 in flight. ${durable}`,
    of: ({ check, cerbos }) => check.perSecond / cerbos.perSecond,
  },
  stream_vs_cerbos: {
    better: 'higher',
    definition: `Decisions a second of one CheckStream ÷ decisions a second of Cerbos CheckResources with one resource, since Cerbos has no stream; the same kind of Node client, the same questions, as many in flight. ${durable}`,
    of: ({ stream, cerbos_single }) => stream.perSecond / cerbos_single.perSecond,
  },
  batch_vs_cerbos: {
    better: 'higher',
    definition: `Decisions a second of CheckBatch of 50 (any people of one clinic) ÷ decisions a second of Cerbos CheckResources with 50 resources (of one principal, as it takes them: one entry of its log for all 50); the same kind of Node client, as many batches in flight. ${durable}`,
    of: ({ batch, cerbos_batch }) => batch.perSecond / cerbos_batch.perSecond,
  },
  unary_vs_echo: {
    better: 'higher',
    definition:
      'Check a second ÷ calls a second of a grpc-js server that returns the bytes it got; the same message and token, the same h2load, 128 in flight. 1 would mean that deciding and recording cost nothing.',
    of: ({ check, echo }) => check.perSecond / echo.perSecond,
  },
  stream_vs_inserts: {
    better: 'higher',
    definition:
      "Decisions a second of one CheckStream ÷ rows a second inserted into a bare table of the same Postgres: the ledger's own bytes, as many rows a statement as the stream has in flight, one synced statement at a time, no order, no duplicates found, no guards.",
    of: ({ stream, inserts }) => stream.perSecond / inserts.perSecond,
  },
  lone_check_vs_floor: {
    better: 'lower',
    definition:
      'Median time of a Check with nothing else under way ÷ (median time of one synced insert of the same bytes into a bare table of the same Postgres + median time of one call of the echo server). 1 is the floor.',
    of: ({ check_alone, insert_alone, echo_alone }) => check_alone.p50Ms / (insert_alone.p50Ms + echo_alone.p50Ms),
  },
} as const satisfies Record<string, LoadRatio>

const overRounds = (values: readonly number[], better: Ratio['better'], definition: string): Ratio => {
  const { median, lowest, highest } = spreadOf(values)
  return { value: median, lowest, highest, better, definition }
}

export const loadRatiosOf = (rounds: readonly Round[]): Readonly<Record<keyof typeof loadRatios, Ratio>> =>
  Object.fromEntries(
    Object.entries<LoadRatio>(loadRatios).map(([name, { better, definition, of }]) => [
      name,
      overRounds(rounds.map(of), better, definition),
    ]),
  ) as Record<keyof typeof loadRatios, Ratio>

/** `10000000` as `10m`. */
const short = (count: number): string =>
  count % 1_000_000 === 0 ? `${count / 1_000_000}m` : count % 1_000 === 0 ? `${count / 1_000}k` : String(count)

/** Named after the sizes that were measured, `history_10m_vs_100k` in the long form. */
export const historyRatioOf = (small: number, large: number, rounds: readonly HistoryRound[]): readonly [name: string, ratio: Ratio] => {
  const sum = (pages: HistoryRound['small']): number => Object.values(pages).reduce((total, { p50Ms }) => total + p50Ms, 0)
  const definition = `Median times of pages of AccessHistory (by patient, by person, by time; the first page of 100 rows and the fourth) added up, at ${large.toLocaleString('en')} rows ÷ at ${small.toLocaleString('en')}. Two services with an embedded Postgres each, called in turn. 1 means that age costs nothing.`
  const name = `history_${short(large)}_vs_${short(small)}`
  return [
    name,
    overRounds(
      rounds.map((round) => sum(round.large) / sum(round.small)),
      'lower',
      definition,
    ),
  ]
}

/** Rounds of two services in turn. */
export const sealingRatiosOf = (rounds: readonly SealingRound[]) => ({
  sealing_on_vs_off: overRounds(
    rounds.map(({ on, off }) => on.perSecond / off.perSecond),
    'higher',
    'Decisions a second of one CheckStream of a service that seals as it does by default ÷ of one that signs nothing (CHARTWARDEN_SIGNER_DIR=off); two services with an embedded Postgres each, loaded in turn. 1 means that sealing costs decisions nothing.',
  ),
  ...(rounds.some(({ on, off }) => on.processorMs === undefined || off.processorMs === undefined)
    ? {}
    : {
        sealing_processor_time: overRounds(
          rounds.map(({ on, off }) => (off.processorMs ?? 0) / (on.processorMs ?? 0)),
          'higher',
          'In the same rounds: processor time of the service and its database for one decision without sealing ÷ with it. What else runs on the machine moves it less than the rates.',
        ),
      }),
})
