import type { Caller } from './caller.ts'
import type { ChartwardenError } from './errors.ts'
import { isRefusalReason, type OnRefusal, type Refusal } from './refusal.ts'

/** What is known of a call when it is refused. */
export interface RefusedCall {
  readonly caller?: Caller | undefined
  readonly clinic?: string | undefined
  readonly address: string
}

export type ReportRefusal = (error: ChartwardenError, call: RefusedCall) => void

/** Passes on each error that is a refusal, once, however many places it goes through. */
export const createRefusalReport = (onRefusal: OnRefusal): ReportRefusal => {
  const reported = new WeakSet<ChartwardenError>()
  return (error, { caller, clinic, address }) => {
    const { reason } = error
    if (!isRefusalReason(reason) || reported.has(error)) return
    reported.add(error)
    // A caller must not be able to write into the ledger of a clinic its token does not name.
    const shown = reason === 'SCOPE_MISSING' && clinic !== undefined && !caller?.clinics.has(clinic) ? undefined : clinic
    const refusal: Refusal = {
      reason,
      address,
      ...(caller === undefined ? {} : { caller: caller.id }),
      ...(shown ? { clinic: shown } : {}),
    }
    onRefusal(refusal)
  }
}
