/** The clocks of the service and of its database jump, each by itself, forward and back. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createLyingClock, findFaketime } from '../faketime.ts'
import { busyCallers } from '../kill-in-turn.ts'
import { conclude, during, type FaultMoment, type Scenario, type ScenarioOptions } from '../scenario.ts'
import { openSeparateSubject, type SeparateSubject } from '../separate-subject.ts'

const name = 'clocks jumping'

/** Where each clock is from the machine's, in seconds: hours forward and back, as a machine without a battery or a careless operator has it. */
const jumps: readonly { readonly service: number; readonly database: number }[] = [
  { service: 5_400, database: 0 },
  { service: -5_400, database: 0 },
  { service: 0, database: 3_600 },
  { service: 0, database: -3_600 },
  { service: 5_400, database: -3_600 },
  { service: 0, database: 0 },
]

interface Jumping {
  readonly subject: SeparateSubject
  setService(seconds: number): Promise<void>
  /** Undefined where it cannot be done. */
  readonly setDatabase: ((seconds: number) => void) | undefined
}

/** Both clocks lie as libfaketime tells them. */
const lyingToBoth = async (stack: AsyncDisposableStack, scratch: string, library: string): Promise<Jumping> => {
  const [ofService, ofDatabase] = [createLyingClock(library, scratch, 'service'), createLyingClock(library, scratch, 'database')]
  const { environment } = ofService
  const subject = await openSeparateSubject(stack, { scratch, environment, postgres: { program: ofDatabase.wrap } })
  return { subject, setService: async (seconds) => ofService.shift(seconds), setDatabase: ofDatabase.shift }
}

/** Without it, the clock that the service is handed jumps. */
const handedToService = async (stack: AsyncDisposableStack, scratch: string): Promise<Jumping> => {
  const file = path.join(scratch, 'service-offset')
  writeFileSync(file, '0')
  const program = [path.join(import.meta.dirname, '../altered-service.ts'), 'jumping', file]
  const subject = await openSeparateSubject(stack, { scratch, program })
  const setService = async (seconds: number): Promise<void> => {
    writeFileSync(file, `${seconds * 1_000}`)
    process.kill((await subject.kept.up()).pid, 'SIGUSR2')
  }
  return { subject, setService, setDatabase: undefined }
}

const run = async ({ scratch }: ScenarioOptions) => {
  await using stack = new AsyncDisposableStack()
  const library = findFaketime()
  const jumping = library === undefined ? handedToService(stack, scratch) : lyingToBoth(stack, scratch, library)
  const { subject, setService, setDatabase } = await jumping
  const load = subject.load({ callers: busyCallers })
  await load.nextAnswer()
  const moments: FaultMoment[] = []
  for (const { service, database } of jumps) {
    if (setDatabase === undefined && database !== 0) continue
    const jump = async (): Promise<void> => {
      await setService(service)
      setDatabase?.(database)
    }
    moments.push(await during(load, `service ${service} s, database ${database} s off`, jump))
    await delay(500)
  }
  return await conclude({
    name,
    what: 'The clocks of service and database jump by an hour and more, forward and back, one after the other and both.',
    subject,
    load,
    moments,
    sameClock: setDatabase === undefined,
    seen:
      setDatabase === undefined
        ? ['Only the clock of the service jumped: libfaketime is not installed here, without which that of the database cannot.']
        : [],
  })
}

export const clocks: Scenario = { name, run }
