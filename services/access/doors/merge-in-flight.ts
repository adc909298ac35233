/**
 * Works on items of a stream at the same time, at most `limit` of them, and yields answers as they come, in any order. Asking for the next
 * item waits for a free place, so that back-pressure reaches the sender. `work` must not reject.
 */
export async function* mergeInFlight<Item, Answer>(
  items: AsyncIterable<Item>,
  limit: number,
  work: (item: Item) => Promise<Answer>,
): AsyncGenerator<Answer> {
  const ready: Answer[] = []
  let inFlight = 0
  let ended = false
  let failure: { readonly error: unknown } | undefined
  let wake = (): void => {}
  let free = (): void => {}

  const pull = async (): Promise<void> => {
    try {
      for await (const item of items) {
        inFlight += 1
        void work(item).then((answer) => {
          inFlight -= 1
          ready.push(answer)
          wake()
        })
        while (inFlight + ready.length >= limit) {
          await new Promise<void>((resolve) => {
            free = resolve
          })
        }
      }
    } catch (error) {
      failure = { error }
    }
    ended = true
    wake()
  }
  void pull()

  for (;;) {
    while (ready.length > 0) {
      yield ready.shift() as Answer
      free()
    }
    if (ended && inFlight === 0) {
      if (failure !== undefined) throw failure.error
      return
    }
    await new Promise<void>((resolve) => {
      wake = resolve
      if (ready.length > 0 || (ended && inFlight === 0)) resolve()
    })
  }
}
