import type { Readable } from 'node:stream'

/** Held ready for the handler; beyond that the sender is held back by HTTP/2 flow control. */
const mostMessages = 64
const mostBytes = 1_048_576

/**
 * The requests of a stream in order, for one reader. Ends when the sender has finished, when `stop` is called or when the call is
 * cancelled; what had arrived by then is still given out, except after a cancel. Faster than iterating the stream, and unlike that
 * leaves the stream's other half open when the reader stops early.
 */
export class RequestQueue<Request> implements AsyncIterable<Request>, AsyncIterator<Request> {
  readonly #stream: Readable
  readonly #decode: (bytes: Buffer) => Request
  readonly #ready: Buffer[] = []
  #waiting: { resolve: (result: IteratorResult<Request>) => void; reject: (thrown: unknown) => void } | undefined
  #ended = false
  #bytes = 0

  constructor(stream: Readable, decode: (bytes: Buffer) => Request) {
    this.#stream = stream
    this.#decode = decode
    stream.on('data', (bytes: Buffer) => this.#take(bytes))
    // A caller that goes away looks at first like one that has finished; a turn later the cancel is known.
    stream.on('end', () => setImmediate(() => this.stop()))
  }

  #take(bytes: Buffer): void {
    if (this.#ended) return
    if (this.#waiting !== undefined) {
      const { resolve, reject } = this.#waiting
      this.#waiting = undefined
      this.#give(bytes, resolve, reject)
      return
    }
    this.#ready.push(bytes)
    this.#bytes += bytes.length
    if (this.#ready.length >= mostMessages || this.#bytes >= mostBytes) this.#stream.pause()
  }

  #give(bytes: Buffer, resolve: (result: IteratorResult<Request>) => void, reject: (thrown: unknown) => void): void {
    try {
      resolve({ done: false, value: this.#decode(bytes) })
    } catch (thrown) {
      reject(thrown)
    }
  }

  /** Whether no more will be taken. */
  get ended(): boolean {
    return this.#ended
  }

  /** Takes no more; what is ready is still given out. */
  stop(): void {
    this.#ended = true
    this.#waiting?.resolve({ done: true, value: undefined })
    this.#waiting = undefined
  }

  /** Takes no more and drops what is ready. */
  cancel(): void {
    this.#ready.length = 0
    this.#bytes = 0
    this.stop()
  }

  next(): Promise<IteratorResult<Request>> {
    return new Promise((resolve, reject) => {
      const bytes = this.#ready.shift()
      if (bytes !== undefined) {
        this.#bytes -= bytes.length
        if (this.#ready.length < mostMessages / 2 && this.#bytes < mostBytes / 2 && this.#stream.isPaused()) this.#stream.resume()
        this.#give(bytes, resolve, reject)
      } else if (this.#ended) resolve({ done: true, value: undefined })
      else this.#waiting = { resolve, reject }
    })
  }

  async return(): Promise<IteratorResult<Request>> {
    this.cancel()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): AsyncIterator<Request> {
    return this
  }
}
