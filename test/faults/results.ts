import type { ScenarioResult } from './scenario.ts'
import type { SyncCount } from './wal-syncs.ts'

/** What a run of the harness found. */
export interface FaultResults {
  readonly command: string
  readonly commit: string
  readonly tookSeconds: number
  readonly machine: string
  /** Of the last minute, at the end; this run itself has about as many as there are cores. Far more slow down how soon somebody is answered again. */
  readonly loadAverage: number
  readonly versions: string
  readonly seed: number
  /** What is required and did not hold, one sentence each. */
  readonly problems: readonly string[]
  readonly scenarios: readonly ScenarioResult[]
  /** Cerbos. */
  readonly peer: readonly ScenarioResult[]
  readonly notRun: readonly { readonly name: string; readonly why: string }[]
  readonly walSyncs: readonly SyncCount[]
}
