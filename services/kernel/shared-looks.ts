/**
 * Looks that whoever asks at the same time shares. One who asks while a look is under way is answered by the one after it, since that under
 * way may have begun before what the asker was told of. So at most one look of a key is under way, however many ask.
 */
export const createSharedLooks = <Found>(look: (key: string) => Promise<Found>): ((key: string) => Promise<Found>) => {
  const looks = new Map<string, { readonly current: Promise<Found>; following: Promise<Found> | undefined }>()

  const begin = (key: string): Promise<Found> => {
    const current = look(key)
    const state = { current, following: undefined }
    looks.set(key, state)
    const done = (): void => {
      if (looks.get(key) === state && state.following === undefined) looks.delete(key)
    }
    current.then(done, done)
    return current
  }

  return (key) => {
    const state = looks.get(key)
    if (state === undefined) return begin(key)
    const next = (): Promise<Found> => begin(key)
    state.following ??= state.current.then(next, next)
    return state.following
  }
}
