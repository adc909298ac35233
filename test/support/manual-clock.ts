import type { Clock } from '../../services/kernel/clock.ts'

export interface ManualClock extends Clock {
  /** Moves both readings on. */
  advance(milliseconds: number): void
}

/** A clock that stands still until it is told otherwise. */
export const manualClock = (wall = Date.parse('2026-11-23T08:00:00.000Z'), monotonic = 5_000): ManualClock => {
  let passed = 0
  return {
    wall: () => wall + passed,
    monotonic: () => monotonic + passed,
    advance(milliseconds) {
      passed += milliseconds
    },
  }
}
