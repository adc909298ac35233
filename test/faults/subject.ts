/** A service in a process of its own, with clinics in it, that is kept running while it is being broken. */
import path from 'node:path'
import { type BenchServer, startServer } from '../../bench/child.ts'
import { registerClinics } from '../../bench/clinics.ts'
import { createTokens } from '../../bench/service.ts'
import { type Doors, openDoors, questionsTo } from './doors.ts'
import { type Kept, keepRunning } from './keep-running.ts'
import { type LedgerFacts, readLedger } from './ledger-facts.ts'
import { type Load, type LoadOptions, startLoad } from './load.ts'

export const clinics: readonly string[] = ['north', 'east', 'south', 'west']
const people: readonly string[] = ['anna', 'ben', 'carla', 'dana', 'emil', 'fay']

export interface SubjectOptions {
  readonly stateDir: string
  readonly environment?: Readonly<Record<string, string>>
  /** Arguments of Node; by default those of `chartwarden serve`. */
  readonly program?: readonly string[]
  /** The superuser's address of its database, of a server that runs now. */
  readonly adminUrl: (kept: Kept<BenchServer>) => Promise<string>
}

export interface Subject {
  readonly stateDir: string
  readonly kept: Kept<BenchServer>
  adminUrl(): Promise<string>
  /** Of the service that runs now; waits for one that is being started. */
  doors(): Promise<Doors>
  load(options: Pick<LoadOptions, 'callers' | 'retryMs'>): Load
  /** What the ledger holds beyond what it held when the clinics were ready. */
  ledger(): Promise<LedgerFacts>
  /** SIGKILL. */
  killService(): Promise<void>
}

const chartwarden = [path.resolve(import.meta.dirname, '../../cli/launch.js'), 'serve']
const anyPort = '127.0.0.1:0'

/** Starts it and registers the clinics. It ends with the stack. */
export const openSubject = async (stack: AsyncDisposableStack, options: SubjectOptions): Promise<Subject> => {
  const { stateDir, program = chartwarden } = options
  const environment = {
    CHARTWARDEN_STATE_DIR: stateDir,
    CHARTWARDEN_GRPC_ADDR: anyPort,
    CHARTWARDEN_HTTP_ADDR: anyPort,
    CHARTWARDEN_METRICS_ADDR: 'off',
    // Checks are made when a fault is over.
    CHARTWARDEN_SELF_CHECK_HOURS: '0',
    ...options.environment,
  }
  const kept = await keepRunning(() => startServer(program, environment))
  stack.defer(() => kept.close())
  const token = await createTokens(stateDir, environment)
  await registerClinics(
    { address: (await kept.up()).address, token },
    clinics.map((clinic) => ({ clinic, people })),
  )
  const adminUrl = (): Promise<string> => options.adminUrl(kept)
  const before = new Set((await readLedger(await adminUrl())).logged.map(({ id }) => id))
  const opened = new Map<string, Doors>()
  stack.defer(() => {
    for (const doors of opened.values()) doors.close()
  })
  const doors = async (): Promise<Doors> => {
    const { address } = await kept.up()
    const found = opened.get(address) ?? openDoors(address, token(clinics, ['access.check', 'staff.write', 'ledger.verify']))
    opened.set(address, found)
    return found
  }
  return {
    stateDir,
    kept,
    adminUrl,
    doors,
    load: (wishes) => startLoad({ ...questionsTo({ doors, clinics, people }), ...wishes }),
    ledger: async () => readLedger(await adminUrl(), before),
    killService: async () => (await kept.up()).stop('SIGKILL'),
  }
}
