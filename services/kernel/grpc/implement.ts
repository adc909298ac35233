import type { DescMessage, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2'
import type { CallContext } from '../caller.ts'

interface MethodShape {
  readonly methodKind: string
  readonly input: DescMessage
  readonly output: DescMessage
}

/** What a method of the contract is implemented as. */
export type Handler<Method extends MethodShape> = Method['methodKind'] extends 'unary'
  ? (request: MessageShape<Method['input']>, context: CallContext) => Promise<MessageInitShape<Method['output']>>
  : Method['methodKind'] extends 'server_streaming'
    ? (request: MessageShape<Method['input']>, context: CallContext) => AsyncIterable<MessageInitShape<Method['output']>>
    : Method['methodKind'] extends 'bidi_streaming'
      ? (requests: AsyncIterable<MessageShape<Method['input']>>, context: CallContext) => AsyncIterable<MessageInitShape<Method['output']>>
      : never

/** One handler for every method, under the method's name in lower camel case. */
export type Handlers<Methods extends GenServiceMethods> = { readonly [Name in keyof Methods]: Handler<Methods[Name]> }

export type UnaryHandler = (request: unknown, context: CallContext) => Promise<MessageInitShape<DescMessage>>
export type ServerStreamHandler = (request: unknown, context: CallContext) => AsyncIterable<MessageInitShape<DescMessage>>
export type BidiHandler = (requests: AsyncIterable<unknown>, context: CallContext) => AsyncIterable<MessageInitShape<DescMessage>>

/** A service with its handlers, ready for `createGrpcServer`. */
export interface ServiceImplementation {
  readonly service: DescService
  /** Typed at `implement`; each fits its method's kind. */
  readonly handlers: Readonly<Record<string, unknown>>
}

/** Pairs a service of the contract with its handlers; the types insist on all of them. */
export const implement = <Methods extends GenServiceMethods>(
  service: GenService<Methods>,
  handlers: Handlers<Methods>,
): ServiceImplementation => ({ service, handlers })
