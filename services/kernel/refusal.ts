import type { ErrorReason } from './errors.ts'

export const refusalReasons = ['TOKEN_MISSING', 'TOKEN_REFUSED', 'TOKEN_EXPIRED', 'CLINIC_NOT_ALLOWED', 'SCOPE_MISSING'] as const

export type RefusalReason = (typeof refusalReasons)[number]

/** A call that was turned away before anything was decided. */
export interface Refusal {
  readonly reason: RefusalReason
  /** `sub` of the token, where it was verified. */
  readonly caller?: string
  /** The clinic the call named. With SCOPE_MISSING it is there only if the token names it too, so that it belongs in that clinic's ledger. */
  readonly clinic?: string
  /** Address of the peer without its port. */
  readonly address: string
}

export type OnRefusal = (refusal: Refusal) => void

export const isRefusalReason = (reason: ErrorReason): reason is RefusalReason => (refusalReasons as readonly string[]).includes(reason)
