/** Our own witness in the test's process, over real files and HTTP. */
import type { Test } from 'tap'
import { formatVerifierKey, type VerifierKey } from '../../services/audit/log/note.ts'
import type { judge } from '../../services/audit/log/witness/judge.ts'
import { type RunningWitness, runWitness } from '../../services/audit/log/witness/run-witness.ts'
import type { WitnessEvent } from '../../services/audit/log/witness/witness.ts'
import type { PolicyWitness } from '../../services/audit/log/witness-policy.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { scratchDirectory } from './service.ts'
import type { WitnessedLog } from './witnessed-log.ts'

export interface TestWitness extends RunningWitness {
  readonly directory: string
  readonly url: string
  /** A line of a policy. */
  readonly policyLine: string
  readonly asPolicy: PolicyWitness & { readonly url: string }
  /** What it answered so far. */
  readonly events: readonly WitnessEvent[]
  post(body: string | Uint8Array<ArrayBuffer>, headers?: Record<string, string>): Promise<Response>
}

export interface TestWitnessOptions {
  readonly logs: readonly Pick<WitnessedLog, 'origin' | 'key'>[]
  readonly name?: string
  /** Of an earlier witness. */
  readonly directory?: string
  readonly port?: number
  readonly decide?: typeof judge
}

/** Stops when the test ends, unless it was stopped before. */
export const startTestWitness = async (test: Test, options: TestWitnessOptions): Promise<TestWitness> => {
  const { logs, name = 'witness.example', decide } = options
  const directory = options.directory ?? scratchDirectory(test, 'witness')
  const events: WitnessEvent[] = []
  const running = await runWitness({
    directory,
    name,
    logs: new Map<string, readonly VerifierKey[]>(logs.map(({ origin, key }) => [origin, [key]])),
    address: { host: '127.0.0.1', port: options.port ?? 0 },
    clock: systemClock,
    onAnswer: (event) => void events.push(event),
    onFault: () => {},
    ...(decide === undefined ? {} : { decide }),
  })
  test.teardown(() => running.close())
  const url = `http://127.0.0.1:${running.port}`
  return {
    ...running,
    directory,
    url,
    policyLine: `witness ${name} ${formatVerifierKey(running.key.verifierKey)} ${url}`,
    asPolicy: { name, key: running.key.verifierKey, url },
    events,
    post: (body, headers = {}) => fetch(`${url}/add-checkpoint`, { method: 'POST', body, headers }),
  }
}
