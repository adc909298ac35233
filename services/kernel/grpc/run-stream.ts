/**
 * Server streams and bidirectional streams. A stream ends when its handler is done, when its caller goes away, at the caller's deadline,
 * when the token expires, or when the server stops. A bidirectional stream whose token expires or whose server stops takes no more
 * requests but still answers what it took, within a grace.
 */
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf'
import type { handleBidiStreamingCall, handleServerStreamingCall, ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js'
import type { CallContext } from '../caller.ts'
import { authorise, type CallParts, noteLateFault, type OpenCall } from '../calls/open-call.ts'
import { ChartwardenError } from '../errors.ts'
import { encodeAnswer } from './encode-answer.ts'
import type { BidiHandler, ServerStreamHandler } from './implement.ts'
import type { MethodPlan } from './method-plan.ts'
import { beginGrpcCall, decodeRequest, failGrpcCall, readRequest, sendHeaders } from './open-call.ts'
import { RequestQueue } from './request-queue.ts'
import type { RunningCall, RunningCalls } from './running-call.ts'

/** To answer requests taken before the token expired or the server stopped, in milliseconds. */
const graceMs = 5_000

/** The machine's clock may be set while a stream runs, so expiry is looked at again this often, in milliseconds. */
const expiryCheckMs = 30_000

type WritableCall = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>

class Stream implements RunningCall {
  readonly open: OpenCall
  readonly #parts: CallParts
  readonly #call: WritableCall
  readonly #calls: RunningCalls
  readonly #timers = new Set<() => void>()
  #requests: RequestQueue<unknown> | undefined
  #over = false
  #stopError: ChartwardenError | undefined
  #wake = (): void => undefined

  constructor(parts: CallParts, plan: MethodPlan, call: WritableCall, calls: RunningCalls) {
    this.#parts = parts
    this.#call = call
    this.#calls = calls
    this.open = beginGrpcCall(parts, plan, call, Number.POSITIVE_INFINITY)
    sendHeaders(this.open, call)
    calls.add(this)
    call.once('cancelled', () => {
      if (!this.#over) this.#release()
    })
    if (this.open.deadline !== Number.POSITIVE_INFINITY) {
      this.#after(this.open.deadline - parts.clock.monotonic(), () => this.finish(new ChartwardenError('DEADLINE_EXCEEDED')))
    }
  }

  get over(): boolean {
    return this.#over
  }

  #after(milliseconds: number, run: () => void): void {
    const cancel = this.#parts.timers.after(Math.max(0, milliseconds), () => {
      this.#timers.delete(cancel)
      run()
    })
    this.#timers.add(cancel)
  }

  /** Lets go of everything; the handler's signal aborts. */
  #release(): void {
    this.#over = true
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    this.#calls.delete(this)
    this.#requests?.cancel()
    this.open.abort()
    this.#wake()
  }

  /** Ends the call once: well, or with what was thrown. */
  finish(thrown?: unknown, bytes?: Buffer): void {
    if (this.#over) {
      if (thrown !== undefined) noteLateFault(this.#parts, this.open, thrown)
      return
    }
    this.#release()
    if (thrown === undefined) this.#call.end()
    else this.#call.emit('error', failGrpcCall(this.#parts, this.open, thrown, bytes))
  }

  /** The requests of a bidirectional stream, from now on. */
  take(call: ServerDuplexStream<Buffer, Buffer>): RequestQueue<unknown> {
    const requests = new RequestQueue<unknown>(call, (bytes) => decodeRequest(this.open.plan, bytes))
    this.#requests = requests
    return requests
  }

  /** Takes no more requests. A stream whose caller had finished sending ends well. */
  #stop(error: ChartwardenError): void {
    if (this.#over || this.#requests === undefined || this.#requests.ended) return
    this.#stopError = error
    this.#requests.stop()
  }

  watchExpiry(context: CallContext): void {
    const { clock, verifier } = this.#parts
    const remaining = context.caller.expiresAt + verifier.clockToleranceMs - clock.wall()
    if (remaining > 0) {
      this.#after(Math.min(remaining, expiryCheckMs), () => this.watchExpiry(context))
      return
    }
    const error = new ChartwardenError('TOKEN_EXPIRED')
    if (this.#requests === undefined) {
      this.finish(error)
      return
    }
    this.#stop(error)
    this.#after(graceMs, () => this.finish(error))
  }

  drain(): void {
    this.#stop(new ChartwardenError('SHUTTING_DOWN'))
  }

  end(): void {
    this.finish(this.#stopError ?? new ChartwardenError('SHUTTING_DOWN'))
  }

  /** Sends the answers no faster than the connection takes them, and ends the call. */
  async send(answers: AsyncIterable<MessageInitShape<DescMessage>>): Promise<void> {
    const { output } = this.open.plan.method
    const iterator = answers[Symbol.asyncIterator]()
    for (;;) {
      const next = await iterator.next()
      if (this.#over) {
        // Not awaited: the handler may be waiting for something that only its signal ends.
        if (next.done !== true) void iterator.return?.().then(undefined, () => undefined)
        return
      }
      if (next.done === true) break
      if (!this.#call.write(encodeAnswer(output, next.value))) await this.#writable()
    }
    this.finish(this.#stopError)
  }

  #writable(): Promise<void> {
    return new Promise((resolve) => {
      const resume = (): void => {
        this.#call.off('drain', resume)
        this.#wake = () => undefined
        resolve()
      }
      this.#wake = resume
      if (this.#over) resume()
      else this.#call.on('drain', resume)
    })
  }
}

export const runServerStream =
  (parts: CallParts, plan: MethodPlan, handler: ServerStreamHandler, calls: RunningCalls): handleServerStreamingCall<Buffer, Buffer> =>
  (call) => {
    const stream = new Stream(parts, plan, call, calls)
    const run = async (): Promise<void> => {
      try {
        const context = await authorise(parts, stream.open)
        const request = await readRequest(parts, stream.open, context, call.request)
        stream.watchExpiry(context)
        if (!stream.over) await stream.send(handler(request, context))
      } catch (thrown) {
        stream.finish(thrown, call.request)
      }
    }
    void run()
  }

export const runBidiStream =
  (parts: CallParts, plan: MethodPlan, handler: BidiHandler, calls: RunningCalls): handleBidiStreamingCall<Buffer, Buffer> =>
  (call) => {
    const stream = new Stream(parts, plan, call, calls)
    const run = async (): Promise<void> => {
      try {
        const context = await authorise(parts, stream.open)
        if (stream.over) return
        const requests = stream.take(call)
        stream.watchExpiry(context)
        await stream.send(handler(requests, context))
      } catch (thrown) {
        stream.finish(thrown)
      }
    }
    void run()
  }
