import { rm } from 'node:fs/promises'
import { fromBinary } from '@bufbuild/protobuf'
import { CheckResponseSchema } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { createBytesClient } from '../load/bytes-client.ts'
import { checkPath, encodeCheck } from '../load/chartwarden-messages.ts'
import type { Question } from '../load/questions.ts'
import { type Spread, spreadOf } from '../measure/statistics.ts'
import { startService } from '../service.ts'

/** Milliseconds. */
export interface Starting {
  /** In an empty directory: a database is made, and all tables. */
  readonly freshMs: Spread
  /** Over the ledgers of the load. */
  readonly againMs: Spread
  /** From being ready to the first answer, for which the clinic's state is opened. */
  readonly firstAnswerMs: Spread
}

export interface StartingOptions {
  readonly times: number
  /** Does not exist yet; removed again each time. */
  readonly freshDir: string
  /** Holds the ledgers; no service uses it. */
  readonly usedDir: string
  readonly question: Question
}

export const measureStarting = async ({ times, freshDir, usedDir, question }: StartingOptions): Promise<Starting> => {
  const fresh: number[] = []
  const again: number[] = []
  const firstAnswer: number[] = []
  for (let index = 0; index < times; index += 1) {
    const made = await startService({ stateDir: freshDir })
    fresh.push(made.readyMs)
    await made.stop()
    await rm(freshDir, { recursive: true, force: true })
    const used = await startService({ stateDir: usedDir })
    again.push(used.readyMs)
    const client = createBytesClient({ address: used.address, token: used.token([question.clinic], ['access.check']) })
    const asked = performance.now()
    const { decision } = fromBinary(CheckResponseSchema, await client.call(checkPath, Buffer.from(encodeCheck(question))))
    firstAnswer.push(performance.now() - asked)
    client.close()
    await used.stop()
    if (decision !== Decision.PERMIT) throw new Error('a permit was expected after the start')
  }
  return { freshMs: spreadOf(fresh), againMs: spreadOf(again), firstAnswerMs: spreadOf(firstAnswer) }
}
