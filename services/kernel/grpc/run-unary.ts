import type { handleUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import { authorise, type CallParts, noteLateFault } from '../calls/open-call.ts'
import { ChartwardenError } from '../errors.ts'
import { encodeAnswer } from './encode-answer.ts'
import type { UnaryHandler } from './implement.ts'
import type { MethodPlan } from './method-plan.ts'
import { beginGrpcCall, failUnaryCall, readRequest, sendHeaders } from './open-call.ts'
import type { RunningCall, RunningCalls } from './running-call.ts'

/** Runs a unary method. A call is answered once: by its handler, or at its deadline, whichever comes first. */
export const runUnary =
  (parts: CallParts, plan: MethodPlan, handler: UnaryHandler, calls: RunningCalls): handleUnaryCall<Buffer, Buffer> =>
  (call, respond: sendUnaryData<Buffer>) => {
    const open = beginGrpcCall(parts, plan, call, parts.defaultDeadlineMs)
    let over = false
    const finish = (thrown: unknown, answer: Buffer | undefined): void => {
      if (over) {
        if (thrown !== undefined) noteLateFault(parts, open, thrown)
        return
      }
      over = true
      calls.delete(running)
      stopTimer?.()
      if (answer === undefined) respond(failUnaryCall(parts, open, thrown, call.request))
      else {
        sendHeaders(open, call)
        respond(null, answer)
      }
    }
    const cut = (error: ChartwardenError): void => {
      finish(error, undefined)
      open.abort()
    }
    const running: RunningCall = { drain: () => undefined, end: () => cut(new ChartwardenError('SHUTTING_DOWN')) }
    calls.add(running)
    const stopTimer = open.deadlineNamed
      ? undefined
      : parts.timers.after(parts.defaultDeadlineMs, () => cut(new ChartwardenError('DEADLINE_EXCEEDED')))
    // Also emitted after an answer, when it means nothing.
    call.on('cancelled', () => {
      if (over) return
      over = true
      calls.delete(running)
      stopTimer?.()
      open.abort()
    })
    const run = async (): Promise<void> => {
      try {
        const context = await authorise(parts, open)
        const answer = await handler(await readRequest(parts, open, context, call.request), context)
        finish(undefined, encodeAnswer(plan.method.output, answer))
      } catch (thrown) {
        finish(thrown, undefined)
      }
      // Not when the call is over: what was begun takes its time even if nobody waits for it any more.
      open.leave()
    }
    void run()
  }
