/**
 * Whether a ledger holds exactly what was answered, entry by entry. Everybody asks until answered, so an entry that belongs to no answer is
 * a second one for a question that has its own.
 */

type Decision = 'permit' | 'deny'

/** What a caller was told. Times are readings of this machine's wall clock, in milliseconds since the epoch. */
export interface Answer {
  readonly clinic: string
  /** Of the entry. */
  readonly id: string
  readonly revision: bigint
  /** Undefined where the answer acknowledges a change. */
  readonly decision: Decision | undefined
  /** When the call was sent that was answered; it may not have been the first about this question. */
  readonly sentAt: number
  readonly answeredAt: number
}

/** An entry of a kind that answers a question. */
export interface Logged {
  readonly clinic: string
  readonly id: string
  readonly revision: bigint
  readonly decision: Decision | undefined
  /** By the ledger's own clock, in milliseconds since the epoch. */
  readonly recordedAt: number
}

export interface Accounted {
  /** Distinct questions. */
  readonly asked: number
  readonly answered: number
  /** Entries that answer a question. */
  readonly logged: number
  /** Answers whose entry is missing, stands elsewhere or says something else. */
  readonly lost: number
  /** Entries beyond one for each answer, and answers that share an entry. */
  readonly duplicated: number
  /** Revisions and positions that no entry has. */
  readonly gaps: number
  /** Permits whose entry is missing, or was made after the answer had arrived. */
  readonly permitsNotDurable: number
}

export interface AccountOptions {
  readonly asked: number
  readonly answers: readonly Answer[]
  readonly logged: readonly Logged[]
  readonly gaps: number
  /** False where somebody sets the ledger's clock: then its times say nothing about ours. */
  readonly sameClock?: boolean
}

export const accountOf = ({ asked, answers, logged, gaps, sameClock = true }: AccountOptions): Accounted => {
  const nameOf = ({ clinic, id }: { readonly clinic: string; readonly id: string }): string => `${clinic} ${id}`
  const entries = new Map(logged.map((entry) => [nameOf(entry), entry]))
  const named = new Set(answers.map(nameOf))
  const stands = (answer: Answer): boolean => {
    const entry = entries.get(nameOf(answer))
    return entry !== undefined && entry.revision === answer.revision && entry.decision === answer.decision
  }
  const madeLater = (answer: Answer): boolean => sameClock && (entries.get(nameOf(answer))?.recordedAt ?? 0) > answer.answeredAt
  return {
    asked,
    answered: answers.length,
    logged: logged.length,
    lost: answers.filter((answer) => !stands(answer)).length,
    duplicated:
      logged.length - entries.size + [...entries.keys()].filter((name) => !named.has(name)).length + (answers.length - named.size),
    gaps,
    permitsNotDurable: answers.filter((answer) => answer.decision === 'permit' && (!stands(answer) || madeLater(answer))).length,
  }
}

/** What is required of every fault and did not hold, one sentence each; empty when all did. */
export const accountProblems = (accounted: Accounted): string[] => {
  const { asked, answered, lost, duplicated, gaps, permitsNotDurable } = accounted
  const problems: string[] = []
  if (answered === 0) problems.push('nothing was answered')
  if (answered !== asked) problems.push(`${asked - answered} of ${asked} questions were never answered`)
  if (lost !== 0) problems.push(`${lost} answers are not in the ledger as they were given`)
  if (duplicated !== 0) problems.push(`${duplicated} entries are there a second time`)
  if (gaps !== 0) problems.push(`${gaps} revisions or positions have no entry`)
  if (permitsNotDurable !== 0) problems.push(`${permitsNotDurable} permits were given before their entry was durable`)
  return problems
}
