import type { DescMethod, DescService } from '@bufbuild/protobuf'
import type { MethodDefinition } from '@grpc/grpc-js'

/**
 * Messages cross grpc-js as bytes: they are decoded only after the token was verified, a request that does not decode is
 * INVALID_ARGUMENT and not grpc-js's INTERNAL, and an answer that does not encode reaches the one error funnel.
 */
const sameBytes = (bytes: Buffer): Buffer => bytes

export type BytesMethod = MethodDefinition<Buffer, Buffer>

export const methodDefinition = (method: DescMethod): BytesMethod => ({
  path: `/${method.parent.typeName}/${method.name}`,
  requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
  responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
  requestSerialize: sameBytes,
  requestDeserialize: sameBytes,
  responseSerialize: sameBytes,
  responseDeserialize: sameBytes,
})

/** grpc-js's definition of a service, keyed by method name in lower camel case. */
export const serviceDefinition = (service: DescService): Record<string, BytesMethod> =>
  Object.fromEntries(service.methods.map((method) => [method.localName, methodDefinition(method)]))

/** A view on the same memory: grpc-js copies it into the frame. */
export const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
