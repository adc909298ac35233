import { type Measured, type Spread, spreadOf } from './statistics.ts'

/** What is measured in every round, and how it is called on the page. "Ours" is the service; latencies are of whole calls. */
export const cells = {
  echo: 'bare grpc-js echo, h2load',
  cerbos: 'Cerbos CheckResources, h2load',
  check: 'Check, h2load',
  echo_alone: 'bare grpc-js echo, h2load, 1 in flight',
  cerbos_alone: 'Cerbos CheckResources, h2load, 1 in flight',
  check_alone: 'Check, h2load, 1 in flight',
  insert_alone: 'one row inserted and synced, 1 in flight',
  stream: 'CheckStream, Node client',
  cerbos_single: 'Cerbos CheckResources of 1, Node client',
  inserts: 'raw inserts, Node client, one statement in flight',
  batch: 'CheckBatch, Node client',
  cerbos_batch: 'Cerbos CheckResources, Node client',
} as const

export type CellName = keyof typeof cells

export const cellNames = Object.keys(cells) as readonly CellName[]

/** All cells, measured one after the other. */
export type Round = Readonly<Record<CellName, Measured>>

/** A cell over all rounds. */
export interface Cell {
  readonly what: string
  readonly perSecond: Spread
  readonly p50Ms: Spread
  readonly p99Ms: Spread
}

export const cellsOf = (rounds: readonly Round[]): Readonly<Record<CellName, Cell>> =>
  Object.fromEntries(
    cellNames.map((name) => {
      const over = (of: keyof Measured): Spread => spreadOf(rounds.map((round) => round[name][of]))
      return [name, { what: cells[name], perSecond: over('perSecond'), p50Ms: over('p50Ms'), p99Ms: over('p99Ms') }]
    }),
  ) as Record<CellName, Cell>
