/**
 * Whether work is begun at all. What a busy service cannot do in time it refuses here, before a question is read, decided, sealed or queued,
 * so that refusing stays cheap when most is refused: a place in a bounded room, shared fairly between clinics, and quotas of callers and
 * clinics. How much of the room is used follows how fast work is done, so that what is let in is answered in time on any machine.
 */
import { createAdaptiveLimit } from '../adaptive-limit.ts'
import type { Caller } from '../caller.ts'
import type { Clock } from '../clock.ts'
import { ChartwardenError } from '../errors.ts'
import { createFairRoom } from '../fair-room.ts'
import { createQuotaMeter, type Quota } from '../quota.ts'

/** Why work was not begun: no room, the clinic's share of it, or a quota. */
export const admissionRefusals = ['room', 'clinic_share', 'caller_quota', 'clinic_quota'] as const

export type AdmissionRefusal = (typeof admissionRefusals)[number]

export interface Work {
  readonly caller: Pick<Caller, 'issuer' | 'id'>
  /** One that the caller's token names: nobody else may use up what a clinic has. */
  readonly clinic: string
  /** A question or record is one; a batch is as many as it has items. */
  readonly units: number
}

export interface Admission {
  /**
   * Lets work in and returns what says that it is done, to be called once. Throws QUOTA_EXCEEDED or OVERLOADED, both with the seconds to wait;
   * refused work counts against no quota.
   */
  enter(work: Work): () => void
  /**
   * The same for an item of a stream, which is held back and not refused where there is no room: it waits in its clinic's line, and clinics take
   * turns. Whoever reads the stream reads no further meanwhile, so that the sender waits. Throws QUOTA_EXCEEDED.
   */
  enterInTurn(work: Omit<Work, 'units'>): Promise<() => void>
  /** Units that are in now. */
  readonly underWay: number
  /** Units that may be in at once, now. */
  readonly limit: number
}

export interface AdmissionOptions {
  /** Units that may be in at once, however fast they are done. One clinic may have no more than it leaves free. */
  readonly maxUnderWay: number
  /** Work that is let in is to be done in so many milliseconds; with more ahead than that takes, more is refused. Defaults to 1,000. */
  readonly targetMs?: number
  /** Undefined: a caller may ask as much as it likes. */
  readonly callerQuota?: Quota | undefined
  /** Undefined: for a clinic may be asked as much as callers like. */
  readonly clinicQuota?: Quota | undefined
  readonly clock: Clock
  /** Told of what was refused, for metrics; must not throw. */
  readonly onRefused?: ((cause: AdmissionRefusal, units: number) => void) | undefined
}

/**
 * Twice the largest batch, so that one clinic that sends nothing but such batches leaves as much to others; and more than one statement of the
 * ledger takes: with fewer, refusing would slow down what it is to speed up. Also before it is known how fast work is done.
 */
export const leastUnderWay = 1_024

/** Seconds after which there is probably room again. */
const retryAfterSeconds = 1

/** Refusals are made many thousand times a second when they are needed most, and taking their stack costs more than all the rest of it. */
const withoutStack = (make: () => ChartwardenError): ChartwardenError => {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return make()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

export const createAdmission = (options: AdmissionOptions): Admission => {
  const { clock, onRefused } = options
  const most = options.maxUnderWay
  const room = createFairRoom(most)
  const limit = createAdaptiveLimit({
    least: Math.min(most, leastUnderWay),
    most,
    first: Math.min(most, leastUnderWay),
    targetMs: options.targetMs ?? 1_000,
  })
  const meterOf = (quota: Quota | undefined) => (quota === undefined ? undefined : createQuotaMeter(quota, clock))
  const [callers, clinics] = [meterOf(options.callerQuota), meterOf(options.clinicQuota)]
  const overloaded = withoutStack(() => new ChartwardenError('OVERLOADED', { retryAfterSeconds }))

  /** Items of streams that wait, by clinic, in the order of the clinics' turns. */
  const lines = new Map<string, (() => void)[]>()

  const requireQuota = (kind: 'caller' | 'clinic', waitMs: number, units: number): void => {
    if (waitMs === 0) return
    onRefused?.(`${kind}_quota`, units)
    const options = { retryAfterSeconds: Math.ceil(waitMs) / 1_000, metadata: { quota: kind } }
    throw withoutStack(() => new ChartwardenError('QUOTA_EXCEEDED', options))
  }

  /** Throws unless both quotas allow it; answers what counts it. */
  const requireQuotas = ({ caller, clinic, units }: Work): (() => void) => {
    const callerKey = callers === undefined ? '' : `${caller.issuer} ${caller.id}`
    requireQuota('caller', callers?.waitMs(callerKey, units) ?? 0, units)
    requireQuota('clinic', clinics?.waitMs(clinic, units) ?? 0, units)
    return () => {
      callers?.take(callerKey, units)
      clinics?.take(clinic, units)
    }
  }

  /** For work that has its place. */
  const begun = ({ clinic, units }: Pick<Work, 'clinic' | 'units'>): (() => void) => {
    const began = clock.monotonic()
    const withIt = room.taken
    return () => {
      room.give(clinic, units)
      limit.learn({ units, withIt, began, ended: clock.monotonic() })
      serveLines()
    }
  }

  /** Gives places to those that wait, one clinic after the other, while there are any. */
  const serveLines = (): void => {
    for (let served = true; served; ) {
      served = false
      for (const [clinic, line] of [...lines]) {
        if (room.take(clinic, 1, limit.units) !== 'taken') continue
        served = true
        line.shift()?.()
        lines.delete(clinic)
        if (line.length > 0) lines.set(clinic, line)
      }
    }
  }

  return {
    get underWay() {
      return room.taken
    },
    get limit() {
      return limit.units
    },
    enter: (work) => {
      const count = requireQuotas(work)
      const { clinic, units } = work
      const taking = room.take(clinic, units, limit.units)
      if (taking !== 'taken') {
        onRefused?.(taking === 'full' ? 'room' : 'clinic_share', units)
        throw overloaded
      }
      count()
      return begun(work)
    },
    enterInTurn: async ({ caller, clinic }) => {
      const work = { caller, clinic, units: 1 }
      requireQuotas(work)()
      const line = lines.get(clinic)
      if (line !== undefined || room.take(clinic, 1, limit.units) !== 'taken') {
        await new Promise<void>((resolve) => {
          if (line === undefined) lines.set(clinic, [resolve])
          else line.push(resolve)
        })
      }
      return begun(work)
    },
  }
}
