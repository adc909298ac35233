/** A load client in a process of its own: takes a job over IPC, does it, and tells what it measured. */
import { runInsertJob } from './insert-job.ts'
import type { Job, JobResult, PacedResult } from './jobs.ts'
import { runPacedJob } from './paced-job.ts'
import { runBatchJob, runCerbosJob, runStreamJob } from './question-jobs.ts'

const run = (job: Job): Promise<JobResult | PacedResult> => {
  switch (job.kind) {
    case 'stream':
      return runStreamJob(job)
    case 'batch':
      return runBatchJob(job)
    case 'cerbos':
      return runCerbosJob(job)
    case 'inserts':
      return runInsertJob(job)
    case 'paced':
      return runPacedJob(job)
  }
}

process.once('message', (job: Job) => {
  run(job).then(
    (result) => process.send?.(result, () => process.disconnect()),
    (thrown: unknown) => {
      process.stderr.write(`${String((thrown as Error).stack)}\n`)
      process.exit(1)
    },
  )
})
