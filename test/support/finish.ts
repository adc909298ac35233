/** Runs a computation that may be interrupted to its end, without an interruption. */
export const finish = <Result>(work: Generator<void, Result>): Result => {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}
