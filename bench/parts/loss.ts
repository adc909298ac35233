import pg from 'pg'
import { createBytesClient } from '../load/bytes-client.ts'
import { checkPath, encodeCheck } from '../load/chartwarden-messages.ts'
import type { Question } from '../load/questions.ts'
import { startCerbos } from '../peers/cerbos.ts'
import { type BenchService, serviceDatabase, startService } from '../service.ts'

/** Answers given, and those of them that are on record after the process was killed and started again. */
export interface Survival {
  readonly answered: number
  readonly recorded: number
}

/** What a crash leaves of the last answers: a fast figure means little beside a log that has lost what it tells of. */
export interface Loss {
  readonly chartwarden: Survival
  readonly cerbos: Survival
}

/** A quiet hour of a clinic. */
const answered = 11

const countEntries = async (service: BenchService): Promise<number> => {
  const client = new pg.Client({ connectionString: service.adminUrl(serviceDatabase) })
  await client.connect()
  try {
    const { rows } = await client.query<{ entries: string }>(
      `select count(*) as entries from chartwarden_ledger.entries where type = 'chartwarden.access.decided.v1'`,
    )
    return Number(rows[0]?.entries)
  } finally {
    await client.end()
  }
}

/** The service and its database server are killed, the latter without a word to any of its processes. */
const measureOwn = async (stateDir: string, question: Question): Promise<Survival> => {
  const service = await startService({ stateDir })
  const before = await countEntries(service)
  const client = createBytesClient({ address: service.address, token: service.token([question.clinic], ['access.check']) })
  for (let index = 0; index < answered; index += 1) await client.call(checkPath, Buffer.from(encodeCheck(question)))
  process.kill(Number(service.logged('postgres.started')['pid']), 'SIGKILL')
  await service.stop('SIGKILL')
  client.close()
  const again = await startService({ stateDir })
  const recorded = (await countEntries(again)) - before
  await again.stop()
  if (recorded !== answered) throw new Error(`of ${answered} answers ${recorded} are in the ledger after a crash`)
  return { answered, recorded }
}

const measureCerbos = async (directory: string): Promise<Survival> => {
  const cerbos = await startCerbos(directory)
  // One has been asked by starting it.
  for (let index = 1; index < answered; index += 1) await cerbos.ask()
  await cerbos.stop('SIGKILL')
  const again = await startCerbos(directory)
  const recorded = await again.logged()
  await again.stop()
  return { answered, recorded }
}

export interface LossOptions {
  /** Of a service that has been stopped, with the clinic of the question in it. */
  readonly stateDir: string
  readonly question: Question
  /** Empty. */
  readonly cerbosDir: string
}

export const measureLoss = async ({ stateDir, question, cerbosDir }: LossOptions): Promise<Loss> => ({
  chartwarden: await measureOwn(stateDir, question),
  cerbos: await measureCerbos(cerbosDir),
})
