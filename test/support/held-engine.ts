import type { Append, EngineOutcome, LedgerEngine } from '../../services/audit/ledger.ts'

export interface HeldBatch {
  readonly appends: readonly Append[]
  /** Lets the engine do its work. */
  pass(): Promise<void>
  /** The statement fails without having done anything. */
  fail(fault: Error): Promise<void>
  /** The engine does its work, and its answer is lost. */
  lose(fault: Error): Promise<void>
}

export interface HeldEngine extends LedgerEngine {
  /** The statements sent so far, in order. */
  readonly sent: readonly HeldBatch[]
  /** The next statement that has not been handed out. */
  next(): Promise<HeldBatch>
  /** From now on, and for what is held, every statement passes. */
  passAll(): void
}

/** A real engine behind a gate: each statement waits until the test lets it pass or fail. */
export const holdEngine = (engine: LedgerEngine): HeldEngine => {
  const sent: HeldBatch[] = []
  const waiting: ((batch: HeldBatch) => void)[] = []
  let handedOut = 0
  let open = false

  const handOut = (): void => {
    while (waiting.length > 0 && handedOut < sent.length) {
      waiting.shift()?.(sent[handedOut] as HeldBatch)
      handedOut += 1
    }
  }

  return {
    ...engine,
    sent,
    appendBatch(appends) {
      const { promise, resolve, reject } = Promise.withResolvers<readonly EngineOutcome[]>()
      const answered = promise.then(
        () => {},
        () => {},
      )
      const batch: HeldBatch = {
        appends,
        pass() {
          resolve(engine.appendBatch(appends))
          return answered
        },
        fail(fault) {
          reject(fault)
          return answered
        },
        lose(fault) {
          engine.appendBatch(appends).then(() => reject(fault), reject)
          return answered
        },
      }
      sent.push(batch)
      if (open) batch.pass().catch(() => {})
      else handOut()
      return promise
    },
    next() {
      const { promise, resolve } = Promise.withResolvers<HeldBatch>()
      waiting.push(resolve)
      handOut()
      return promise
    },
    passAll() {
      open = true
      for (const batch of sent) batch.pass().catch(() => {})
    },
  }
}
