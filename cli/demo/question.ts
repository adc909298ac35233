import type { TypedId } from '../input/parsers.ts'

/** One question of the demo, and the answer that the roles give. */
export interface Question {
  readonly who: TypedId
  readonly action: string
  readonly type: string
  readonly id: string
  readonly patientId?: string
  readonly purpose: string
  readonly reason?: string
  /** Draws a screen; opens nothing. */
  readonly probe?: true
  /** The calling software carries out no obligation. */
  readonly supportsNothing?: true
  /** The software reports afterwards that the record was opened. */
  readonly performed?: true
  /** Reason code of the answer. `role_permits` is the only permit. */
  readonly expect: string
}

/** What happens at one place and time, asked together. */
export interface Scene {
  /** Part of the request ids: never reused for something else. */
  readonly name: string
  readonly title: string
  readonly questions: readonly Question[]
}

type Details = Omit<Question, 'who' | 'action' | 'type' | 'id' | 'purpose' | 'expect'> & { readonly expect?: string }

/** Permitted unless it says otherwise. `record` is `type:id`. */
export const asks = (who: TypedId, action: string, record: string, purpose: string, details: Details = {}): Question => {
  const colon = record.indexOf(':')
  return { who, action, type: record.slice(0, colon), id: record.slice(colon + 1), purpose, expect: 'role_permits', ...details }
}
