/** A sequence that a test feeds by hand. */
export interface Pushable<Item> extends AsyncIterable<Item> {
  push(item: Item): void
  end(): void
}

export const pushable = <Item>(): Pushable<Item> => {
  const ready: Item[] = []
  let ended = false
  let wake = (): void => undefined
  return {
    push: (item) => {
      ready.push(item)
      wake()
    },
    end: () => {
      ended = true
      wake()
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const item = ready.shift()
        if (item !== undefined) yield item
        else if (ended) return
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
}
