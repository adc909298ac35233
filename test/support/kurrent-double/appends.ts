/** The doors through which a client appends, and how a test makes one of them fail in the middle. */
import { Metadata, type ServerDuplexStream, type ServerReadableStream, type sendUnaryData, status } from '@grpc/grpc-js'
import sharedPb from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/shared_pb.js'
import type {
  AppendReq,
  AppendResp,
  BatchAppendReq,
  BatchAppendResp,
} from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js'
import streamsPb from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js'
import type { AppendResult, ExpectedState, ProposedEvent } from './event-log.ts'
import {
  type AppendRefusal,
  expectedOf,
  identifierOf,
  proposed,
  refusalStatus,
  streamName,
  uuidText,
  wrongVersionStatus,
} from './messages.ts'
import { type CallFault, faultOf } from './server-faults.ts'

/** An append that has come in completely, and what can become of it. */
export interface IncomingAppend {
  readonly stream: string
  readonly expected: ExpectedState
  readonly events: readonly ProposedEvent[]
  /** After which the server does not take it any more, by its own clock, in milliseconds since the epoch. */
  readonly deadline: number | undefined
  /** Stores it, by the server's rules, and tells what came of it. */
  store(): AppendResult
  /** Answers it; as often as it is called. */
  reply(result: AppendResult): void
  refuse(refusal: AppendRefusal): void
  /** Ends the call, and with it every other append under way on it. */
  fail(fault: CallFault): void
}

/** What the server does with an append. */
export type AppendScript = (append: IncomingAppend) => void

/** What a server does that has no fault. */
export const answerTruly: AppendScript = (append) => append.reply(append.store())

type BatchCall = ServerDuplexStream<BatchAppendReq, BatchAppendResp>
type AppendCall = ServerReadableStream<AppendReq, AppendResp>

interface Proposal {
  readonly stream: string
  readonly expected: ExpectedState
  readonly events: ProposedEvent[]
  readonly deadline: number | undefined
}

interface Doors {
  /** Runs a proposal through the script that is due. */
  take(proposal: Proposal, answers: Pick<IncomingAppend, 'reply' | 'refuse' | 'fail'>, headers: Metadata): void
}

const batchAnswer = (correlationId: InstanceType<typeof sharedPb.UUID>, { stream, expected }: Proposal, result: AppendResult) => {
  const answer = new streamsPb.BatchAppendResp().setCorrelationId(correlationId).setStreamIdentifier(identifierOf(stream))
  if (result.kind === 'deleted') return answer.setError(refusalStatus('StreamDeleted', stream))
  if (result.kind === 'wrong version') return answer.setError(wrongVersionStatus(result.current, expected))
  const position = new sharedPb.AllStreamPosition()
    .setCommitPosition(result.last.position.toString())
    .setPreparePosition(result.last.position.toString())
  return answer.setSuccess(
    new streamsPb.BatchAppendResp.Success().setCurrentRevision(result.last.revision.toString()).setPosition(position),
  )
}

/** One duplex stream for all appends of a client; each is answered by its correlation id. */
export const serveBatchAppend =
  ({ take }: Doors) =>
  (call: BatchCall): void => {
    const pending = new Map<string, Proposal>()
    call.on('data', (request: BatchAppendReq) => {
      const correlationId = request.getCorrelationId() ?? new sharedPb.UUID()
      const key = uuidText(correlationId)
      const options = request.getOptions()
      if (options !== undefined) {
        const deadline = options.getDeadline21100()?.toDate().getTime()
        pending.set(key, { stream: streamName(options.getStreamIdentifier()), expected: expectedOf(options), events: [], deadline })
      }
      const proposal = pending.get(key)
      if (proposal === undefined) return
      proposal.events.push(...request.getProposedMessagesList().map(proposed))
      if (!request.getIsFinal()) return
      pending.delete(key)
      const send = (answer: BatchAppendResp): void => {
        if (!call.cancelled && !call.destroyed) call.write(answer)
      }
      const answers = {
        reply: (result: AppendResult) => send(batchAnswer(correlationId, proposal, result)),
        refuse(refusal: AppendRefusal) {
          const answer = new streamsPb.BatchAppendResp().setCorrelationId(correlationId)
          send(answer.setStreamIdentifier(identifierOf(proposal.stream)).setError(refusalStatus(refusal, proposal.stream)))
        },
        fail: (fault: CallFault) => void call.emit('error', faultOf(fault)),
      }
      take(proposal, answers, call.metadata)
    })
    call.on('end', () => call.end())
    call.on('error', () => {})
  }

const appendAnswer = ({ expected }: Proposal, result: Exclude<AppendResult, { kind: 'deleted' }>): AppendResp => {
  if (result.kind === 'appended') {
    const position = new streamsPb.AppendResp.Position()
      .setCommitPosition(result.last.position.toString())
      .setPreparePosition(result.last.position.toString())
    const success = new streamsPb.AppendResp.Success().setCurrentRevision(result.last.revision.toString()).setPosition(position)
    return new streamsPb.AppendResp().setSuccess(success)
  }
  const wrong = new streamsPb.AppendResp.WrongExpectedVersion()
  if (result.current === undefined) wrong.setCurrentNoStream(new sharedPb.Empty())
  else wrong.setCurrentRevision(result.current.toString())
  if (typeof expected === 'bigint') wrong.setExpectedRevision(expected.toString())
  else if (expected === 'no_stream') wrong.setExpectedNoStream(new sharedPb.Empty())
  else if (expected === 'stream_exists') wrong.setExpectedStreamExists(new sharedPb.Empty())
  else wrong.setExpectedAny(new sharedPb.Empty())
  return new streamsPb.AppendResp().setWrongExpectedVersion(wrong)
}

const refusalFaults = {
  AccessDenied: 'access denied',
  Timeout: 'timed out',
  Unknown: 'unknown',
  StreamDeleted: 'stream deleted',
  'not ready': 'not ready',
} as const satisfies Record<AppendRefusal, CallFault['kind']>

/** A call for each append: how the client appends when it is given credentials for the call. */
export const serveAppend =
  ({ take }: Doors) =>
  (call: AppendCall, done: sendUnaryData<AppendResp>): void => {
    let proposal: Proposal | undefined
    call.on('data', (request: AppendReq) => {
      const options = request.getOptions()
      if (options !== undefined) {
        const stream = streamName(options.getStreamIdentifier())
        proposal = { stream, expected: expectedOf(options), events: [], deadline: undefined }
      }
      const message = request.getProposedMessage()
      if (message !== undefined) proposal?.events.push(proposed(message))
    })
    call.on('end', () => {
      if (proposal === undefined) return done({ code: status.INVALID_ARGUMENT, details: 'no options', metadata: new Metadata() })
      const asked = proposal
      const fail = (fault: CallFault): void => done(faultOf(fault))
      take(
        asked,
        {
          reply: (result) =>
            result.kind === 'deleted' ? fail({ kind: 'stream deleted', stream: asked.stream }) : done(null, appendAnswer(asked, result)),
          refuse: (refusal) => fail({ kind: refusalFaults[refusal], stream: asked.stream }),
          fail,
        },
        call.metadata,
      )
    })
  }
