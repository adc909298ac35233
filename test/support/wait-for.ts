import { setTimeout as delay } from 'node:timers/promises'

/** Waits until the condition holds; throws after 20 s, naming what was waited for. */
export const waitFor = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
  const end = performance.now() + 20_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`)
    await delay(10)
  }
}
