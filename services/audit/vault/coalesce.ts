/**
 * Runs many single requests as few grouped ones without a timer: one group is in flight, what is asked meanwhile makes up the next. A group
 * that fails fails each of its requests.
 */
export const coalesce = <Request, Answer>(
  run: (requests: readonly Request[]) => Promise<readonly Answer[]>,
  { maxGroup }: { readonly maxGroup: number },
): ((request: Request) => Promise<Answer>) => {
  interface Waiting {
    readonly request: Request
    readonly resolve: (answer: Answer) => void
    readonly reject: (error: unknown) => void
  }
  let waiting: Waiting[] = []
  let running = false
  const pump = async (): Promise<void> => {
    running = true
    while (waiting.length > 0) {
      const group = waiting.slice(0, maxGroup)
      waiting = waiting.slice(maxGroup)
      try {
        const answers = await run(group.map(({ request }) => request))
        for (const [index, { resolve }] of group.entries()) resolve(answers[index] as Answer)
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    running = false
  }
  return (request) =>
    new Promise((resolve, reject) => {
      waiting.push({ request, resolve, reject })
      // In a microtask, so that requests made in one turn share the first group.
      if (!running) {
        running = true
        queueMicrotask(pump)
      }
    })
}
