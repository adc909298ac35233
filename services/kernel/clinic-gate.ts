/**
 * Shares a bounded number of places, such as the connections of a pool, between clinics: one clinic never has more than its share, and where
 * more is wanted than there is, clinics take turns. So what one clinic asks for costs another a turn at most.
 */
import type { Clock } from './clock.ts'
import { ChartwardenError } from './errors.ts'
import { systemTimers, type Timers } from './timers.ts'

/** For how long work is wanted. */
export interface Wanted {
  /** Reading of the monotonic clock after which nobody waits any more, in milliseconds; Infinity: for ever. */
  readonly deadline: number
  /** Aborts when the caller goes away. */
  readonly signal?: AbortSignal | undefined
}

/** `heavy` is work whose cost grows with the clinic's ledger; of that fewer pieces run at once. */
export type Weight = 'light' | 'heavy'

export interface ClinicGate {
  /**
   * Runs the work once it is the clinic's turn and a place of its share is free. Throws OVERLOADED when as much of the clinic waits already as
   * may, DEADLINE_EXCEEDED or CALL_CANCELLED when it was no longer wanted before its turn came; the work was not begun then.
   */
  run<Result>(clinic: string, weight: Weight, wanted: Wanted, work: () => Promise<Result>): Promise<Result>
}

export interface ClinicGateOptions {
  /** Pieces of work at once. Defaults to 20. */
  readonly places?: number
  /** Those of one clinic. Defaults to a quarter of all. */
  readonly clinicPlaces?: number
  /** Of all places, those that heavy work may have. Defaults to half of all. */
  readonly heavyPlaces?: number
  /** Of one clinic's places, those that heavy work may have. Defaults to two. */
  readonly clinicHeavyPlaces?: number
  /** Pieces of each weight that wait for one clinic at most. Defaults to 64. */
  readonly clinicWaiting?: number
  readonly clock: Clock
  /** Defaults to the system's. */
  readonly timers?: Timers
}

interface Waiter {
  readonly order: number
  readonly weight: Weight
  readonly enter: () => void
}

interface ClinicPlaces {
  readonly running: Record<Weight, number>
  readonly waiting: Record<Weight, Waiter[]>
  /** Counts up over all clinics; 0 before the first. */
  lastTurn: number
}

/** Seconds after which there is probably room again. */
const retryAfterSeconds = { light: 1, heavy: 5 } as const

const runningOf = ({ running }: ClinicPlaces): number => running.light + running.heavy

const overloaded = (weight: Weight): ChartwardenError =>
  new ChartwardenError('OVERLOADED', {
    message: 'As many reads of this clinic wait already as may; call again after the time given.',
    retryAfterSeconds: retryAfterSeconds[weight],
  })

export const createClinicGate = (options: ClinicGateOptions): ClinicGate => {
  const { places = 20, clock, timers = systemTimers } = options
  const clinicPlaces = options.clinicPlaces ?? Math.max(1, Math.floor(places / 4))
  const heavyPlaces = options.heavyPlaces ?? Math.max(1, Math.floor(places / 2))
  const clinicHeavyPlaces = options.clinicHeavyPlaces ?? 2
  const clinicWaiting = options.clinicWaiting ?? 64
  const taken: Record<Weight, number> = { light: 0, heavy: 0 }
  const clinics = new Map<string, ClinicPlaces>()
  let orders = 0
  let turns = 0

  /** The one of a clinic that has waited longest and may have a place now. */
  const nextOf = (held: ClinicPlaces): Waiter | undefined => {
    const { running, waiting } = held
    if (runningOf(held) >= clinicPlaces) return undefined
    const [light] = waiting.light
    const heavy = running.heavy < clinicHeavyPlaces && taken.heavy < heavyPlaces ? waiting.heavy[0] : undefined
    if (light === undefined || heavy === undefined) return light ?? heavy
    return light.order < heavy.order ? light : heavy
  }

  const letIn = (held: ClinicPlaces, { weight, enter }: Waiter): void => {
    held.waiting[weight].shift()
    held.running[weight] += 1
    taken[weight] += 1
    turns += 1
    held.lastTurn = turns
    enter()
  }

  /** Whoever has least comes first, then whoever had a turn longest ago. */
  const comesBefore = (one: ClinicPlaces, other: ClinicPlaces): boolean =>
    runningOf(one) === runningOf(other) ? one.lastTurn < other.lastTurn : runningOf(one) < runningOf(other)

  const takeTurns = (): void => {
    while (taken.light + taken.heavy < places) {
      let turn: { readonly held: ClinicPlaces; readonly waiter: Waiter } | undefined
      for (const held of clinics.values()) {
        const waiter = nextOf(held)
        if (waiter !== undefined && (turn === undefined || comesBefore(held, turn.held))) turn = { held, waiter }
      }
      if (turn === undefined) return
      letIn(turn.held, turn.waiter)
    }
  }

  const forgetIdle = (clinic: string, held: ClinicPlaces): void => {
    const { waiting } = held
    if (runningOf(held) + waiting.light.length + waiting.heavy.length === 0) clinics.delete(clinic)
  }

  const leave = (clinic: string, held: ClinicPlaces, weight: Weight): void => {
    held.running[weight] -= 1
    taken[weight] -= 1
    forgetIdle(clinic, held)
    takeTurns()
  }

  /** Resolves when a place was given. */
  const enter = (clinic: string, held: ClinicPlaces, weight: Weight, { deadline, signal }: Wanted): Promise<void> =>
    new Promise((resolve, reject) => {
      const remaining = deadline - clock.monotonic()
      const waiting = held.waiting[weight]
      const done = (): void => {
        stopTimer?.()
        signal?.removeEventListener('abort', cancelled)
      }
      const giveUp = (reason: 'DEADLINE_EXCEEDED' | 'CALL_CANCELLED'): void => {
        done()
        waiting.splice(waiting.indexOf(waiter), 1)
        forgetIdle(clinic, held)
        reject(new ChartwardenError(reason))
      }
      const cancelled = (): void => giveUp('CALL_CANCELLED')
      const stopTimer = Number.isFinite(remaining) ? timers.after(remaining, () => giveUp('DEADLINE_EXCEEDED')) : undefined
      signal?.addEventListener('abort', cancelled, { once: true })
      orders += 1
      const waiter: Waiter = {
        order: orders,
        weight,
        enter: () => {
          done()
          resolve()
        },
      }
      waiting.push(waiter)
      clinics.set(clinic, held)
      takeTurns()
    })

  return {
    run: async (clinic, weight, wanted, work) => {
      if (wanted.signal?.aborted) throw new ChartwardenError('CALL_CANCELLED')
      if (wanted.deadline <= clock.monotonic()) throw new ChartwardenError('DEADLINE_EXCEEDED')
      const held = clinics.get(clinic) ?? { running: { light: 0, heavy: 0 }, waiting: { light: [], heavy: [] }, lastTurn: 0 }
      if (held.waiting[weight].length >= clinicWaiting) throw overloaded(weight)
      await enter(clinic, held, weight, wanted)
      try {
        return await work()
      } finally {
        leave(clinic, held, weight)
      }
    },
  }
}
