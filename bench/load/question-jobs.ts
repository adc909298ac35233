import { createBytesClient } from './bytes-client.ts'
import { checkResourcesPath, countAllowed, encodeCheckResources } from './cerbos-messages.ts'
import {
  checkBatchPath,
  checkStreamPath,
  countPermits,
  encodeBatch,
  encodeCheck,
  encodeStreamed,
  readStreamed,
} from './chartwarden-messages.ts'
import { createMeter, runClosedLoop } from './closed-loop.ts'
import type { BatchJob, CerbosJob, JobResult, StreamJob } from './jobs.ts'
import { drawQuestions, inBatches } from './questions.ts'

const inTurn = <Item>(items: readonly Item[]): (() => Item) => {
  let next = 0
  return () => {
    const item = items[next % items.length]
    if (item === undefined) throw new RangeError('there is nothing to send')
    next += 1
    return item
  }
}

const createTally = () => {
  const answers = new Map<string, number>()
  return { answers, add: (clinic: string, count: number) => void answers.set(clinic, (answers.get(clinic) ?? 0) + count) }
}

const expectAll = (allowed: number, asked: number, what: string): void => {
  if (allowed !== asked) throw new Error(`${what}: of ${asked} questions ${allowed} were permitted`)
}

/** Calls of one prepared message each. */
const runCalls = async (
  job: BatchJob | CerbosJob,
  path: string,
  prepared: readonly { readonly clinic: string; readonly message: Buffer }[],
  permitted: (answer: Buffer) => number,
): Promise<JobResult> => {
  const client = createBytesClient(job)
  const tally = createTally()
  const next = inTurn(prepared)
  try {
    const measured = await runClosedLoop(job, async () => {
      const { clinic, message } = next()
      expectAll(permitted(await client.call(path, message)), job.size, path)
      tally.add(clinic, job.size)
      return job.size
    })
    return { ...measured, answers: tally.answers }
  } finally {
    client.close()
  }
}

export const runBatchJob = (job: BatchJob): Promise<JobResult> => {
  const prepared = inBatches(drawQuestions(job.practice, job.seed), job.size).batches.map((batch) => {
    const { clinic } = batch[0] as (typeof batch)[number]
    return { clinic, message: encodeBatch(clinic, batch.map(encodeCheck)) }
  })
  return runCalls(job, checkBatchPath, prepared, countPermits)
}

export const runCerbosJob = (job: CerbosJob): Promise<JobResult> => {
  const prepared = inBatches(drawQuestions(job.practice, job.seed), job.size).batches.map((batch) => {
    const { clinic, person } = batch[0] as (typeof batch)[number]
    return { clinic, message: encodeCheckResources({ person, records: batch.map(({ record }) => record) }) }
  })
  return runCalls(job, checkResourcesPath, prepared, countAllowed)
}

/** A new question is sent for each answer that arrives; at the end those still out are waited for. */
export const runStreamJob = async (job: StreamJob): Promise<JobResult> => {
  const client = createBytesClient(job)
  const tally = createTally()
  const next = inTurn(drawQuestions(job.practice, job.seed).map((question) => ({ clinic: question.clinic, check: encodeCheck(question) })))
  const meter = createMeter(job)
  const call = client.duplex(checkStreamPath)
  const sent = new Map<number, { readonly clinic: string; readonly started: number }>()
  let seq = 0
  const send = (): void => {
    const { clinic, check } = next()
    seq += 1
    sent.set(seq, { clinic, started: performance.now() })
    call.write(encodeStreamed(seq, check))
  }
  try {
    for (let index = 0; index < job.inFlight; index += 1) send()
    for await (const bytes of call) {
      const answer = readStreamed(bytes)
      const question = sent.get(answer.seq)
      if (question === undefined) throw new Error(`an answer to question ${answer.seq}, which is not out`)
      expectAll(answer.permit ? 1 : 0, 1, checkStreamPath)
      sent.delete(answer.seq)
      tally.add(question.clinic, 1)
      meter.ended(question.started, 1)
      if (!meter.over()) send()
      else if (sent.size === 0) call.end()
    }
    if (sent.size !== 0) throw new Error(`${sent.size} questions of the stream were not answered`)
    return { ...meter.measured(), answers: tally.answers }
  } finally {
    call.cancel()
    client.close()
  }
}
