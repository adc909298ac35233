/**
 * grpc.reflection.v1 with the descriptors of the generated code, and v1alpha, which is the same under its old name and which many clients
 * still ask for. Needs no token, so it is on only where configured.
 */
import { Transform, type Writable } from 'node:stream'
import { create, type DescService, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { status as grpcStatus, type Server, type ServerDuplexStream } from '@grpc/grpc-js'
import { file_google_rpc_error_details } from '../../../proto/gen/google/rpc/error_details_pb.js'
import { file_google_rpc_status } from '../../../proto/gen/google/rpc/status_pb.js'
import { Health } from '../../../proto/gen/grpc/health/v1/health_pb.js'
import {
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from '../../../proto/gen/grpc/reflection/v1/reflection_pb.js'
import { describeFiles } from './described-files.ts'
import { asBuffer, methodDefinition } from './method-definitions.ts'
import type { RunningCalls } from './running-call.ts'

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']>
type Question = ServerReflectionRequest['messageRequest']

const refusal = (errorCode: number, errorMessage: string): Answer => ({ case: 'errorResponse', value: { errorCode, errorMessage } })

const found = (fileDescriptorProto: readonly Uint8Array[] | undefined, what: string): Answer =>
  fileDescriptorProto === undefined
    ? refusal(grpcStatus.NOT_FOUND, `${what} is not known.`)
    : { case: 'fileDescriptorResponse', value: { fileDescriptorProto: [...fileDescriptorProto] as Uint8Array<ArrayBuffer>[] } }

/** Answers questions about the services; the contract extends no message, so questions about extensions find nothing. */
const answering = (services: readonly DescService[]): ((question: Question) => Answer) => {
  // No file imports the error details: they travel as Any, which clients can read only when they find the type by its name.
  const files = describeFiles([...services.map(({ file }) => file), file_google_rpc_status, file_google_rpc_error_details])
  return (question) => {
    switch (question.case) {
      case 'listServices':
        return { case: 'listServicesResponse', value: { service: services.map(({ typeName }) => ({ name: typeName })) } }
      case 'fileByFilename':
        return found(files.byName(question.value), 'The file')
      case 'fileContainingSymbol':
        return found(files.bySymbol(question.value), 'The symbol')
      case 'fileContainingExtension':
      case 'allExtensionNumbersOfType':
        return refusal(grpcStatus.NOT_FOUND, 'The extension is not known.')
      default:
        return refusal(grpcStatus.INVALID_ARGUMENT, 'The request asks for nothing.')
    }
  }
}

/** Offers reflection of the services, of health and of itself. Its calls are put among those that a stopping server ends. */
export const addReflection = (server: Server, services: readonly DescService[], calls: RunningCalls): void => {
  const answerTo = answering([...services, Health, ServerReflection])

  const answerBytes = (bytes: Buffer): Buffer => {
    const request = fromBinary(ServerReflectionRequestSchema, bytes)
    const answer = { validHost: request.host, originalRequest: request, messageResponse: answerTo(request.messageRequest) }
    return asBuffer(toBinary(ServerReflectionResponseSchema, create(ServerReflectionResponseSchema, answer)))
  }

  const serverReflectionInfo = (call: ServerDuplexStream<Buffer, Buffer>): void => {
    const answers = new Transform({
      objectMode: true,
      transform: (bytes: Buffer, _encoding, done) => {
        try {
          done(null, answerBytes(bytes))
        } catch {
          done(Object.assign(new Error('The request cannot be read.'), { code: grpcStatus.INVALID_ARGUMENT }))
        }
      },
    })
    const running = { drain: () => call.end(), end: () => call.end() }
    calls.add(running)
    call.once('close', () => calls.delete(running)).once('cancelled', () => calls.delete(running))
    answers.once('error', (error) => call.emit('error', error))
    call.pipe(answers).pipe(call as unknown as Writable)
  }

  const definition = methodDefinition(ServerReflection.method.serverReflectionInfo)
  for (const path of [definition.path, definition.path.replace('.v1.', '.v1alpha.')]) {
    server.addService({ serverReflectionInfo: { ...definition, path } }, { serverReflectionInfo })
  }
}
