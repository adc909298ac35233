import type { ErrorReason } from '../kernel/errors.ts'
import type { Question } from './check.ts'
import type { AccessDecided } from './events.ts'

/** Told of what goes on, for metrics: codes only, nothing that identifies anybody. Must not throw or take long. */
export interface AccessObserver {
  /** A question came, by a method of the contract (`package.Service/Method`), where that is known. */
  asked(question: { readonly intent: Question['intent']; readonly method: string | undefined }): void
  /** It was answered; the entry of the answer is durable. */
  answered(answer: Pick<AccessDecided, 'decision' | 'reason_code' | 'intent'>, replayed: boolean): void
  /** It got an error instead of an answer. */
  failed(reason: ErrorReason): void
  /** The ledger sent a decision back, of a question or of an administrative call. */
  decidedAgain(cause: 'moved' | 'stale'): void
}
