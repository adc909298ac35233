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

/** The clinic in whose ledger a missing scope belongs: the one named, or, where a call names none, the only one the token is for. */
const ownClinic = (caller: Caller | undefined, named: string | undefined): string | undefined => {
  if (caller === undefined) return undefined
  if (named !== undefined) return caller.clinics.has(named) ? named : undefined
  return caller.clinics.size === 1 ? [...caller.clinics][0] : undefined
}

/** Passes on each error that is a refusal, once, however many places it goes through. */
export const createRefusalReport = (onRefusal: OnRefusal): ReportRefusal => {
  const reported = new WeakSet<ChartwardenError>()
  return (error, { caller, clinic, address }) => {
    const { reason } = error
    if (!isRefusalReason(reason) || reported.has(error)) return
    reported.add(error)
    // A caller must not be able to write into the ledger of a clinic its token does not name.
    const shown = reason === 'SCOPE_MISSING' ? ownClinic(caller, clinic) : clinic
    const refusal: Refusal = {
      reason,
      address,
      ...(caller === undefined ? {} : { caller: caller.id }),
      ...(shown ? { clinic: shown } : {}),
    }
    onRefusal(refusal)
  }
}
