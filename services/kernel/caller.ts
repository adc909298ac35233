import type { ChartwardenError } from './errors.ts'
import type { Scope } from './scopes.ts'

/** The software that calls, as its verified token names it. */
export interface Caller {
  /** `sub` of the token, 1 to 256 characters. */
  readonly id: string
  readonly issuer: string
  /** Clinics the token names. */
  readonly clinics: ReadonlySet<string>
  readonly scopes: ReadonlySet<Scope>
  /** `exp`, milliseconds since the epoch. */
  readonly expiresAt: number
}

/** What every application function is told about a call besides its request. */
export interface CallContext {
  readonly caller: Caller
  /** One per call; in the answer's headers, in the log and in the entry. */
  readonly correlationId: string
  /** The method of the contract it came by, `package.Service/Method`. */
  readonly method?: string
  /** The caller's W3C Trace Context, if it sent one that parses. */
  readonly traceparent?: string
  /** Reading of the monotonic clock after which nobody waits any more, in milliseconds; Infinity for a stream without a deadline. */
  readonly deadline: number
  /** Aborts when the caller goes away. */
  readonly signal: AbortSignal
  /** Aborts when the service begins to stop: a stream that follows ends itself then. */
  readonly draining?: AbortSignal
  /** Tells the system ledger of a refusal that is answered inside a batch or stream instead of thrown. Counts each error once. */
  readonly refused?: (error: ChartwardenError, clinic?: string) => void
  /**
   * Lets one item of a stream in, of a clinic that the token names, as soon as there is room, and returns what says that it is done. Throws
   * QUOTA_EXCEEDED. Undefined where nothing has to be let in, or the whole request has been.
   */
  readonly enter?: (clinic: string) => Promise<() => void>
}
