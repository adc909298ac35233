import type { Append, AppendOutcome, Ledger } from '../../services/audit/ledger.ts'

/** A gate in front of the Ledger port: holds the appends it is told to, until they are let through. */
export interface LedgerGate {
  decorate(ledger: Ledger): Ledger
  /** Holds the next append that matches; resolves with what lets it through once it has arrived. */
  holdNext(matches: (append: Append) => boolean): Promise<() => void>
  /** Appends that went through the port, with what became of them. */
  readonly passed: readonly { readonly append: Append; readonly outcome: AppendOutcome }[]
}

export const createLedgerGate = (): LedgerGate => {
  const passed: { append: Append; outcome: AppendOutcome }[] = []
  let waiting: { readonly matches: (append: Append) => boolean; readonly arrived: (release: () => void) => void } | undefined
  return {
    passed,
    decorate: (ledger) => ({
      ...ledger,
      append: async (append) => {
        if (waiting?.matches(append)) {
          const { arrived } = waiting
          waiting = undefined
          await new Promise<void>((resolve) => arrived(resolve))
        }
        const outcome = await ledger.append(append)
        passed.push({ append, outcome })
        return outcome
      },
    }),
    holdNext: (matches) =>
      new Promise((resolve) => {
        waiting = { matches, arrived: resolve }
      }),
  }
}

/** Whether an append records a decision. */
export const isDecision = ({ entries }: Append): boolean => entries.some(({ type }) => type === 'chartwarden.access.decided.v1')

/** The sabotage of promise 2: decisions rest on no state, so that nothing notices when it has moved. */
export const restingOnAny = (ledger: Ledger): Ledger => ({
  ...ledger,
  append: (append) => ledger.append(isDecision(append) ? { ...append, restsOn: 'any' } : append),
})

/** The sabotage of promise 1: answers as if stored, and stores afterwards. */
export const answeringFirst = (ledger: Ledger): Ledger => ({
  ...ledger,
  append: async (append) => {
    if (!isDecision(append)) return ledger.append(append)
    const head = await ledger.head(append.clinic)
    void ledger.append(append).catch(() => undefined)
    return {
      kind: 'stored',
      revisions: append.entries.map((_, index) => (head?.revision ?? -1n) + 1n + BigInt(index)),
      stateRevision: head?.stateRevision ?? -1n,
      ledgerTime: Date.now(),
    }
  },
})
