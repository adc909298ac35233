import type { Logger } from './kernel/logging.ts'

/** What has to be undone, latest first. One failing step does not keep the others from running. */
export class Teardown {
  readonly #steps: (() => Promise<void> | void)[] = []

  add(step: () => Promise<void> | void): void {
    this.#steps.push(step)
  }

  async run(logger: Logger): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step()
      } catch (error) {
        logger.error({ event: 'service.stop_step_failed', err: error }, 'a step of stopping failed; going on with the next')
      }
    }
  }
}
