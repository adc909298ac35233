/**
 * Works on items at the same time, but on items of one id one after the other, in their order: of two that contradict each other the first
 * is the one that counts. Items without an id stand for themselves.
 */
export const inOrderOfId = <Item, Answer>(
  items: readonly Item[],
  idOf: (item: Item) => string,
  work: (item: Item) => Promise<Answer>,
): Promise<Answer[]> => {
  const latest = new Map<string, Promise<unknown>>()
  return Promise.all(
    items.map((item) => {
      const id = idOf(item)
      const earlier = id === '' ? undefined : latest.get(id)
      const answer = earlier === undefined ? work(item) : earlier.then(() => work(item))
      if (id !== '') latest.set(id, answer)
      return answer
    }),
  )
}
