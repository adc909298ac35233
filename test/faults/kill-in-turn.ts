import { setTimeout as delay } from 'node:timers/promises'
import type { Load } from './load.ts'
import { during, type FaultMoment } from './scenario.ts'

/** Callers at once in a busy round. */
export const busyCallers = 48

export interface KillInTurnOptions<Victim extends string> {
  /** Of `busyCallers` callers. */
  readonly load: Load
  readonly victims: readonly Victim[]
  readonly kill: (victim: Victim) => Promise<void>
  readonly rounds: number
  readonly random: () => number
}

/** Kills one victim a round, at a random moment of the load; a busy round of each victim, then a quiet one of a single caller, and so on. */
export const killInTurn = async <Victim extends string>(options: KillInTurnOptions<Victim>): Promise<FaultMoment[]> => {
  const { load, victims, kill, rounds, random } = options
  const moments: FaultMoment[] = []
  for (let round = 0; round < rounds; round += 1) {
    const victim = victims[round % victims.length] as Victim
    const quiet = Math.floor(round / victims.length) % 2 === 1
    load.limit(quiet ? 1 : busyCallers)
    await load.nextAnswer()
    await delay(100 + random() * 700)
    moments.push(await during(load, `${victim}, ${quiet ? 'quiet' : 'busy'}`, () => kill(victim)))
  }
  return moments
}
