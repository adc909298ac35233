import type { Scenario } from './scenario.ts'
import { clocks } from './scenarios/clocks.ts'
import { cut } from './scenarios/cut.ts'
import { diskFull } from './scenarios/disk-full.ts'
import { kills } from './scenarios/kills.ts'
import { overflow } from './scenarios/overflow.ts'
import { paused } from './scenarios/paused.ts'
import { restored } from './scenarios/restored.ts'
import { slowProjections } from './scenarios/slow-projections.ts'

/** Everything that is broken, in the order of the table. */
export const allScenarios: readonly Scenario[] = [kills, diskFull, paused, cut, clocks, overflow, slowProjections, restored]
