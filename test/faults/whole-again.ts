/** Whether a service that was broken is whole again: its reports and logs have come up with the ledger, and everything kept agrees with it. */
import { setTimeout as delay } from 'node:timers/promises'
import { clinics, type Subject } from './subject.ts'

interface Checks {
  readonly reportsBehindEntries?: number
  readonly logBehindEntries?: number
  readonly log?: string
}

const longestMs = 180_000

const readChecks = async (subject: Subject): Promise<Checks> => {
  const port = (await subject.kept.up()).logged('service.ready')['httpPort']
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
  return ((await answer?.json()) as { readonly checks?: Checks } | undefined)?.checks ?? {}
}

/** What never came up, one sentence; empty when all did. */
const caughtUp = async (subject: Subject): Promise<string[]> => {
  const until = performance.now() + longestMs
  let checks = await readChecks(subject)
  while (checks.reportsBehindEntries !== 0 || checks.logBehindEntries !== 0) {
    if (performance.now() > until) return [`reports or logs did not come up with the ledger: ${JSON.stringify(checks)}`]
    await delay(100)
    checks = await readChecks(subject)
  }
  return []
}

/** Has the service compare each ledger with its signed log, its state and its read models. Gives what is wrong, one sentence each. */
export const wholeAgain = async (subject: Subject): Promise<string[]> => {
  const problems = await caughtUp(subject)
  const { audit } = await subject.doors()
  for (const clinic of clinics) {
    for await (const { item } of audit.checkLedger({ clinic, state: true, projections: true })) {
      if (item.case !== 'result') continue
      const { faults, checkpoint, projections } = item.value
      problems.push(...faults.map(({ kind, revision, detail }) => `${clinic}: ${kind} at revision ${revision}: ${detail}`))
      if (checkpoint === '') problems.push(`${clinic}: no checkpoint is published`)
      if (!projections) problems.push(`${clinic}: the read models were not compared`)
    }
  }
  return problems
}
