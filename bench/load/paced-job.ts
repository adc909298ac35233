/**
 * Calls sent at a rate of their own, whatever becomes of those before: what callers do that do not know of each other. A gRPC client by hand
 * on node:http2, since any other would be busy before the service is. What is due while as many calls are out as may be is not sent later: it
 * is counted as held back, as HTTP/2 would do with callers that wait for a free stream.
 */
import { type ClientHttp2Session, connect, constants } from 'node:http2'
import { percentile } from '../measure/statistics.ts'
import { checkBatchPath, countPermits, isPermitResponse } from './chartwarden-messages.ts'
import type { PacedAnswers, PacedGroup, PacedJob, PacedResult } from './jobs.ts'

/** Length-prefixed message of gRPC: not compressed, four bytes of length. */
const framed = (message: Uint8Array): Buffer => {
  const frame = Buffer.alloc(5 + message.length)
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, 5)
  return frame
}

const statuses = { ok: 0, resourceExhausted: 8 } as const

/** Seen by the client alone: the call ended without a gRPC status. */
const noStatus = -1

interface Tally {
  readonly group: PacedGroup
  readonly frames: readonly Buffer[]
  sent: number
  /** Calls that were due, sent or held back. */
  due: number
  heldBack: number
  readonly acceptedMs: number[]
  readonly refusedMs: number[]
  readonly answers: Map<string, number>
  readonly otherStatuses: Map<number, number>
}

const summary = (latencies: number[]): PacedAnswers => {
  const sorted = latencies.sort((left, right) => left - right)
  if (sorted.length === 0) return { calls: 0, p50Ms: 0, p99Ms: 0 }
  return { calls: sorted.length, p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99) }
}

/** Milliseconds between two looks at what is due. */
const tickMs = 1

/** At most so many calls are begun at one look, so that answers are read in between. */
const mostAtOnce = 64

/** After the last call was sent, in milliseconds. */
const longestWaitMs = 60_000

export const runPacedJob = async (job: PacedJob): Promise<PacedResult> => {
  const sessions: ClientHttp2Session[] = Array.from({ length: job.connections }, () =>
    connect(`http://${job.address}`, { settings: { initialWindowSize: 1_048_576 } }),
  )
  const headers = {
    [constants.HTTP2_HEADER_METHOD]: 'POST',
    [constants.HTTP2_HEADER_PATH]: job.path,
    [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
    [constants.HTTP2_HEADER_TE]: 'trailers',
    [constants.HTTP2_HEADER_AUTHORIZATION]: `Bearer ${job.token}`,
  }
  const permitsOf = (message: Buffer): number => (job.path === checkBatchPath ? countPermits(message) : isPermitResponse(message) ? 1 : 0)
  const tallies = job.groups.map((group): Tally => {
    const frames = group.messages.map(({ message }) => framed(message))
    return { group, frames, sent: 0, due: 0, heldBack: 0, acceptedMs: [], refusedMs: [], answers: new Map(), otherStatuses: new Map() }
  })
  let inFlight = 0
  let next = 0
  let allAnswered = (): void => undefined

  const settle = (tally: Tally, clinic: string, started: number, status: number, chunks: readonly Buffer[]): void => {
    const took = performance.now() - started
    inFlight -= 1
    if (status === statuses.ok) {
      tally.acceptedMs.push(took)
      const permits = permitsOf(Buffer.concat(chunks).subarray(5))
      tally.answers.set(clinic, (tally.answers.get(clinic) ?? 0) + permits)
    } else if (status === statuses.resourceExhausted) tally.refusedMs.push(took)
    else tally.otherStatuses.set(status, (tally.otherStatuses.get(status) ?? 0) + 1)
    if (inFlight === 0) allAnswered()
  }

  const send = (tally: Tally): void => {
    const index = tally.sent % tally.frames.length
    const { clinic } = tally.group.messages[index] as PacedGroup['messages'][number]
    tally.sent += 1
    inFlight += 1
    next += 1
    const started = performance.now()
    const stream = (sessions[next % sessions.length] as ClientHttp2Session).request(headers)
    const chunks: Buffer[] = []
    let status = noStatus
    const readStatus = (fields: Readonly<Record<string, string | string[] | undefined>>): void => {
      if (fields['grpc-status'] !== undefined) status = Number(fields['grpc-status'])
    }
    stream.on('response', readStatus)
    stream.on('trailers', readStatus)
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', () => undefined)
    stream.on('close', () => settle(tally, clinic, started, status, chunks))
    stream.end(tally.frames[index])
  }

  const begun = performance.now()
  const elapsed = (): number => performance.now() - begun
  const pace = (tally: Tally): void => {
    const due = Math.floor((elapsed() / 1_000) * tally.group.perSecond)
    for (let count = 0; tally.due < due && count < mostAtOnce; count += 1) {
      tally.due += 1
      if (inFlight < job.maxInFlight) send(tally)
      else tally.heldBack += 1
    }
    // Without a rate, as much as may be is always out.
    if (tally.group.perSecond === Number.POSITIVE_INFINITY)
      for (let count = 0; inFlight < job.maxInFlight && count < mostAtOnce; count += 1) send(tally)
  }

  while (elapsed() < job.seconds * 1_000) {
    for (const tally of tallies) pace(tally)
    await new Promise((resolve) => setTimeout(resolve, tickMs))
  }
  const tookSeconds = elapsed() / 1_000
  const sendingEndedAt = Date.now()
  if (inFlight > 0) {
    await new Promise<void>((resolve, reject) => {
      allAnswered = resolve
      setTimeout(reject, longestWaitMs, new Error(`${inFlight} calls were not answered`)).unref()
    })
  }
  for (const session of sessions) session.close()
  return {
    groups: tallies.map(({ group, sent, due, heldBack, acceptedMs, refusedMs, answers, otherStatuses }) => ({
      name: group.name,
      offeredPerSecond: group.perSecond === Number.POSITIVE_INFINITY ? sent / tookSeconds : group.perSecond,
      sentPerSecond: sent / tookSeconds,
      heldBack:
        heldBack + (group.perSecond === Number.POSITIVE_INFINITY ? 0 : Math.max(0, Math.floor(tookSeconds * group.perSecond) - due)),
      accepted: summary(acceptedMs),
      refused: summary(refusedMs),
      otherStatuses,
      answers,
    })),
    tookSeconds,
    sendingEndedAt,
  }
}
