/** What the lines of a service of several processes tell of them. */
import type { ServiceProcess } from './service-process.ts'
import { waitFor } from './wait-for.ts'

export const ofEvent = ({ lines }: ServiceProcess, event: string) => lines.filter((line) => line.event === event)

/** Processes that answer now or did, by the name of their worker; the newest last. */
export const pidsOf = (service: ServiceProcess, worker: string): readonly number[] =>
  ofEvent(service, 'worker.ready')
    .filter((line) => line.worker === worker)
    .map(({ pid }) => Number(pid))

const lives = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

export const noWorkerLives = (service: ServiceProcess): Promise<void> =>
  waitFor('all workers to be gone', () => ofEvent(service, 'worker.ready').every(({ pid }) => !lives(Number(pid))))
