import type { CatchUp } from '../log-catch-up.ts'
import type { DiskUse } from '../parts/disk.ts'
import type { HistoryResult } from '../parts/history.ts'
import type { LoadSettings } from '../parts/load.ts'
import type { Loss } from '../parts/loss.ts'
import type { Starting } from '../parts/starting.ts'
import type { ProjectionRates } from '../projections.ts'
import type { Cell, CellName } from './cells.ts'
import type { Ratio } from './ratios.ts'

/** MiB of resident memory: just after the start, and the most it ever took. */
export interface Memory {
  readonly idle: number
  readonly highest: number
}

/** `results/latest.json`. */
export interface Results {
  readonly command: string
  /** ISO 8601, at the start. */
  readonly date: string
  /** Of the sources; `-dirty` behind it when some were changed. */
  readonly commit: string
  readonly form: 'short' | 'long'
  readonly tookSeconds: number
  readonly hardware: { readonly cpu: string; readonly cores: number; readonly memoryGiB: number; readonly system: string }
  readonly versions: Readonly<Record<'node' | 'postgres' | 'grpcJs' | 'cerbos' | 'h2load', string>>
  readonly settings: LoadSettings
  /** Plain numbers, by name; null for what this form does not measure. */
  readonly ratios: Readonly<Record<string, number | null>>
  /** The same with their spread over the rounds and what they are. */
  readonly ratioDetails: Readonly<Record<string, Ratio>>
  readonly cells: Readonly<Record<CellName, Cell>>
  readonly readModelsBehindMs: number
  readonly history: HistoryResult
  readonly disk: DiskUse
  readonly starting: Starting
  readonly loss: Loss
  /** By process; empty where the system does not tell. */
  readonly memoryMiB: Readonly<Record<string, Memory>>
  readonly projections: ProjectionRates
  /** A log that is made for a ledger which nobody sealed before. */
  readonly catchUp: CatchUp
  /** Median over the rounds: with sealing ÷ without. */
  readonly sealing_on_vs_off: number
  readonly catch_up_entries_per_second: number
}
