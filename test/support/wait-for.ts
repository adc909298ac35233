import { setTimeout as delay } from 'node:timers/promises'

/** Waits until the condition holds; throws after a minute, naming what was waited for. */
export const waitFor = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
  const end = performance.now() + 60_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`)
    await delay(10)
  }
}
