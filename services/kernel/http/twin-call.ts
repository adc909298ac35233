import type { CallContext } from '../caller.ts'
import { type CallParts, noteLateFault, type OpenCall } from '../calls/open-call.ts'
import { ChartwardenError } from '../errors.ts'
import type { RunningCall, RunningCalls } from '../grpc/running-call.ts'

/** The machine's clock may be set while a stream runs, so expiry is looked at again this often, in milliseconds. */
const expiryCheckMs = 30_000

export interface TwinCallOptions {
  readonly parts: CallParts
  readonly open: OpenCall
  readonly calls: RunningCalls
  /** Runs once when the call is over. */
  readonly onOver: () => void
}

/** A call over HTTP, from its headers to its last byte. It can be cut: at its deadline, by a stop, when its token expires or its caller goes. */
export class TwinCall implements RunningCall {
  readonly open: OpenCall
  readonly #options: TwinCallOptions
  readonly #timers = new Set<() => void>()
  #cutWith: ChartwardenError | undefined
  #over = false
  #wake = (): void => undefined

  constructor(options: TwinCallOptions) {
    const { open, parts, calls } = options
    this.#options = options
    this.open = open
    calls.add(this)
    if (open.deadline !== Number.POSITIVE_INFINITY)
      this.after(open.deadline - parts.clock.monotonic(), () => this.cut(new ChartwardenError('DEADLINE_EXCEEDED')))
  }

  /** Runs something later, unless the call is over by then. */
  after(milliseconds: number, run: () => void): void {
    if (this.#over) return
    const cancel = this.#options.parts.timers.after(Math.max(0, milliseconds), () => {
      this.#timers.delete(cancel)
      run()
    })
    this.#timers.add(cancel)
  }

  /** Fails whatever waits for the handler and aborts the handler's signal. */
  cut(error: ChartwardenError): void {
    if (this.#over || this.#cutWith !== undefined) return
    this.#cutWith = error
    this.#wake()
    this.open.abort()
  }

  /**
   * What the handler gives, unless the call is cut first. One promise for each wait: a race against one that lasts as long as the call would
   * leave a reaction behind for every message of a stream.
   */
  wait<Value>(given: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.#wake = () => reject(this.#cutWith)
      if (this.#cutWith !== undefined) this.#wake()
      given.then(resolve, (thrown: unknown) => {
        if (this.#cutWith === undefined) reject(thrown)
        else noteLateFault(this.#options.parts, this.open, thrown)
      })
    })
  }

  /** Cuts the call when its token expires. */
  watchExpiry(context: CallContext): void {
    const { clock, verifier } = this.#options.parts
    const remaining = context.caller.expiresAt + verifier.clockToleranceMs - clock.wall()
    if (remaining > 0) this.after(Math.min(remaining, expiryCheckMs), () => this.watchExpiry(context))
    else this.cut(new ChartwardenError('TOKEN_EXPIRED'))
  }

  drain(): void {}

  end(): void {
    this.cut(new ChartwardenError('SHUTTING_DOWN'))
  }

  /** The connection is done with it: everything was sent, or the caller has gone. */
  closed(sent: boolean): void {
    if (this.#over) return
    if (!sent) this.cut(new ChartwardenError('CALL_CANCELLED'))
    this.#over = true
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    this.#options.calls.delete(this)
    this.#options.onOver()
  }
}
