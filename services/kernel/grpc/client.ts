/** A typed client of one service on grpc-js, for the command line and tests. Failed calls throw the ChartwardenError the server answered with. */
import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2'
import { Client, type ClientDuplexStream, type ClientReadableStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { ChartwardenError } from '../errors.ts'
import { asBuffer, type BytesMethod, methodDefinition } from './method-definitions.ts'
import { decodeStatus } from './status.ts'

export interface CallOptions {
  /** Deadline of this call, in milliseconds from now. */
  readonly timeoutMs?: number
  /** Cancels the call. */
  readonly signal?: AbortSignal
  /** Further request headers. */
  readonly headers?: Readonly<Record<string, string>>
  /** Told the headers of the answer, e.g. `x-correlation-id`. */
  readonly onHeaders?: (headers: ReadonlyMap<string, string>) => void
}

export interface GrpcClientOptions {
  /** host:port */
  readonly address: string
  /**
   * Undefined: no TLS. `ca`: PEM of the authorities that may sign the server's certificate; undefined: those of Node. `cert` and `key`: PEM,
   * shown to a server that asks for them.
   */
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer }
  /** The bearer token, or where to ask for it at each call. */
  readonly token?: string | (() => string)
  /** Deadline of a unary call that names none, in milliseconds. Defaults to 30,000. Streams have none unless the call names one. */
  readonly timeoutMs?: number
  /** Largest answer taken, in bytes. Defaults to 4 MiB. */
  readonly maxMessageBytes?: number
  /** Whether it has a connection of its own. Defaults to false: clients of one address share one, and with it the process that answers. */
  readonly ownConnection?: boolean
}

interface MethodShape {
  readonly methodKind: string
  readonly input: DescMessage
  readonly output: DescMessage
}

type Call<Method extends MethodShape> = Method['methodKind'] extends 'unary'
  ? (request: MessageInitShape<Method['input']>, options?: CallOptions) => Promise<MessageShape<Method['output']>>
  : Method['methodKind'] extends 'server_streaming'
    ? (request: MessageInitShape<Method['input']>, options?: CallOptions) => AsyncIterable<MessageShape<Method['output']>>
    : Method['methodKind'] extends 'bidi_streaming'
      ? (requests: AsyncIterable<MessageInitShape<Method['input']>>, options?: CallOptions) => AsyncIterable<MessageShape<Method['output']>>
      : never

export type GrpcClient<Methods extends GenServiceMethods> = { readonly [Name in keyof Methods]: Call<Methods[Name]> } & {
  /** Closes the connection; calls under way fail. No method of the contract may be called so. */
  readonly disconnect: () => void
}

/** Shared by all methods of one client. */
interface Channel {
  readonly client: Client
  readonly metadata: (options: CallOptions) => Metadata
  readonly timeoutMs: number
}

const encode = (schema: DescMessage, message: MessageInitShape<DescMessage>): Buffer => asBuffer(toBinary(schema, create(schema, message)))

const deadlineOf = (timeoutMs: number | undefined) => (timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs })

/** Cancels the call when the signal aborts; returns what undoes that. */
const follow = (signal: AbortSignal | undefined, cancel: () => void): (() => void) => {
  if (signal === undefined) return () => undefined
  if (signal.aborted) cancel()
  signal.addEventListener('abort', cancel, { once: true })
  return () => signal.removeEventListener('abort', cancel)
}

const reportHeaders = (call: { on(event: 'metadata', run: (metadata: Metadata) => void): unknown }, options: CallOptions): void => {
  const { onHeaders } = options
  if (onHeaders === undefined) return
  call.on('metadata', (metadata) => onHeaders(new Map(Object.entries(metadata.getMap()).map(([name, value]) => [name, String(value)]))))
}

const unary =
  ({ client, metadata, timeoutMs }: Channel, method: DescMethod, definition: BytesMethod) =>
  (request: MessageInitShape<DescMessage>, options: CallOptions = {}): Promise<MessageShape<DescMessage>> =>
    new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest<Buffer, Buffer>(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        encode(method.input, request),
        metadata(options),
        deadlineOf(options.timeoutMs ?? timeoutMs),
        (error, answer) => {
          forget()
          if (error !== null) reject(decodeStatus(error))
          else if (answer === undefined) reject(new ChartwardenError('INTERNAL', { message: 'The service sent no answer.' }))
          else resolve(fromBinary(method.output, answer))
        },
      )
      const forget = follow(options.signal, () => call.cancel())
      reportHeaders(call, options)
    })

const answers = async function* (
  call: ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>,
  output: DescMessage,
  options: CallOptions,
): AsyncGenerator<MessageShape<DescMessage>> {
  const forget = follow(options.signal, () => call.cancel())
  try {
    for await (const bytes of call) yield fromBinary(output, bytes as Buffer)
  } catch (thrown) {
    throw isServiceError(thrown) ? decodeStatus(thrown) : thrown
  } finally {
    forget()
    call.cancel()
  }
}

const isServiceError = (thrown: unknown): thrown is ServiceError => thrown instanceof Error && 'code' in thrown && 'details' in thrown

const serverStream = ({ client, metadata }: Channel, method: DescMethod, definition: BytesMethod) =>
  async function* (request: MessageInitShape<DescMessage>, options: CallOptions = {}): AsyncGenerator<MessageShape<DescMessage>> {
    const call = client.makeServerStreamRequest<Buffer, Buffer>(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
      encode(method.input, request),
      metadata(options),
      deadlineOf(options.timeoutMs),
    )
    reportHeaders(call, options)
    yield* answers(call, method.output, options)
  }

/** Sends what the caller gives, no faster than the connection takes it, until the call is over. */
const send = async (
  call: ClientDuplexStream<Buffer, Buffer>,
  input: DescMessage,
  requests: AsyncIterable<MessageInitShape<DescMessage>>,
): Promise<void> => {
  let over = false
  let wake = (): void => undefined
  const end = (): void => {
    over = true
    wake()
  }
  call.once('status', end)
  call.once('error', end)
  // Not Promise.race with one long-lived promise: every message would leave a reaction on it.
  const unlessOver = <Value>(
    start: (resolve: (value: Value) => void, reject: (thrown: unknown) => void) => void,
  ): Promise<Value | 'over'> =>
    new Promise<Value | 'over'>((resolve, reject) => {
      wake = () => resolve('over')
      if (over) wake()
      else start(resolve, reject)
    })
  const iterator = requests[Symbol.asyncIterator]()
  for (;;) {
    const next = await unlessOver<IteratorResult<MessageInitShape<DescMessage>>>((resolve, reject) => {
      iterator.next().then(resolve, reject)
    })
    if (next === 'over') {
      void iterator.return?.()
      return
    }
    if (next.done === true) break
    if (!call.write(encode(input, next.value))) await unlessOver<void>((resolve) => call.once('drain', resolve))
  }
  call.end()
}

const bidi = ({ client, metadata }: Channel, method: DescMethod, definition: BytesMethod) =>
  async function* (
    requests: AsyncIterable<MessageInitShape<DescMessage>>,
    options: CallOptions = {},
  ): AsyncGenerator<MessageShape<DescMessage>> {
    const call = client.makeBidiStreamRequest<Buffer, Buffer>(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
      metadata(options),
      deadlineOf(options.timeoutMs),
    )
    reportHeaders(call, options)
    let failed: { readonly thrown: unknown } | undefined
    const sending = send(call, method.input, requests).catch((thrown: unknown) => {
      failed = { thrown }
      call.cancel()
    })
    try {
      yield* answers(call, method.output, options)
    } catch (thrown) {
      throw failed === undefined ? thrown : failed.thrown
    }
    await sending
  }

/** A client of one service under one token. */
export const createGrpcClient = <Methods extends GenServiceMethods>(
  service: GenService<Methods>,
  { address, tls, token, timeoutMs = 30_000, maxMessageBytes = 4_194_304, ownConnection = false }: GrpcClientOptions,
): GrpcClient<Methods> => {
  const client = new Client(
    address,
    tls === undefined ? credentials.createInsecure() : credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null),
    {
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.max_send_message_length': -1,
      'grpc-node.flow_control_window': 1_048_576,
      'grpc.use_local_subchannel_pool': ownConnection ? 1 : 0,
    },
  )
  const metadata = ({ headers = {} }: CallOptions): Metadata => {
    const made = new Metadata()
    if (token !== undefined) made.set('authorization', `Bearer ${typeof token === 'string' ? token : token()}`)
    for (const [name, value] of Object.entries(headers)) made.set(name, value)
    return made
  }
  const channel: Channel = { client, metadata, timeoutMs }
  const kinds = { unary, server_streaming: serverStream, bidi_streaming: bidi } as const
  const calls = Object.fromEntries(
    service.methods.flatMap((method) =>
      method.methodKind === 'client_streaming'
        ? []
        : [[method.localName, kinds[method.methodKind](channel, method, methodDefinition(method))]],
    ),
  )
  return { ...calls, disconnect: () => client.close() } as unknown as GrpcClient<Methods>
}
