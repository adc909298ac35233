/**
 * Whether a ledger grew by exactly what was answered. An answer that left no entry, an entry that nobody was answered for, and an answer
 * that was not a permit would each make a fast figure worthless.
 */

/** New entries of one clinic. */
export interface Growth {
  readonly permits: number
  readonly denials: number
  /** An identity's entry stands just ahead of the first one that needs it. */
  readonly identities: number
  /** Types of all other entries. */
  readonly others: readonly string[]
}

/** Every way in which the ledgers differ from the answers, one sentence each; empty when they agree. All answers must be permits. */
export const accountFaults = (answers: ReadonlyMap<string, number>, growth: ReadonlyMap<string, Growth>): string[] => {
  const faults: string[] = []
  for (const clinic of new Set([...answers.keys(), ...growth.keys()])) {
    const answered = answers.get(clinic) ?? 0
    const { permits = 0, denials = 0, others = [] } = growth.get(clinic) ?? {}
    if (permits !== answered) faults.push(`${clinic}: ${answered} permits were answered and ${permits} were recorded`)
    if (denials !== 0) faults.push(`${clinic}: ${denials} denials were recorded`)
    if (others.length !== 0) faults.push(`${clinic}: entries of ${others.join(', ')} were recorded`)
  }
  return faults
}
