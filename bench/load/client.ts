import { fork } from 'node:child_process'
import path from 'node:path'
import type { Job, ResultOf } from './jobs.ts'

/** Does a job in a process of its own. */
export const runJob = <Done extends Job>(job: Done): Promise<ResultOf<Done>> =>
  new Promise((resolve, reject) => {
    const child = fork(path.join(import.meta.dirname, 'client-process.ts'), { serialization: 'advanced' })
    let result: ResultOf<Done> | undefined
    child.once('message', (message) => {
      result = message as ResultOf<Done>
    })
    child.once('error', reject)
    child.once('exit', (code) => (result ? resolve(result) : reject(new Error(`the client of job ${job.kind} ended with ${code}`))))
    child.send(job)
  })
