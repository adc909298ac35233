import { Worker } from 'node:worker_threads'
import type { DrillOutcome } from './backup-drill.ts'
import type { Config, SigningSettings } from './kernel/config.ts'
import type { RestoreConfig } from './kernel/restore-config.ts'
import type { ScratchSettings } from './kernel/restore-settings.ts'

/** What a drill needs to know, as it goes to its thread. */
export interface DrillTask extends Pick<RestoreConfig, 'stateDir' | 'target'> {
  readonly identityFile: string
  readonly masterKey: Uint8Array
  readonly signing: SigningSettings | undefined
  readonly scratch: ScratchSettings
  readonly logLevel: Config['logLevel']
}

export type DrillMessage =
  | { readonly kind: 'outcome'; readonly outcome: DrillOutcome }
  /** Why it could not be made: an Error, which keeps its message and its stack on its way. */
  | { readonly kind: 'failed'; readonly error: unknown }

/** As `drillBackup`, in a thread of its own. When the signal aborts, its database is dropped before it rejects. */
export const drillInThread = (task: DrillTask, signal: AbortSignal): Promise<DrillOutcome> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./drill-worker.ts', import.meta.url), { workerData: task, name: 'drill' })
    const stop = (): void => worker.postMessage('stop')
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    worker.once('message', (message: DrillMessage) => {
      if (message.kind === 'outcome') resolve(message.outcome)
      else reject(message.error)
    })
    worker.once('error', reject)
    worker.once('exit', (code) => {
      signal.removeEventListener('abort', stop)
      reject(new Error(`the thread of a drill ended without an answer (${code})`))
    })
  })
