import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import t, { type Test } from 'tap'
import { AccessService } from '../../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { ClinicService } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { implement } from '../../../services/kernel/grpc/implement.ts'
import { echo, grpcDoor } from '../../support/grpc-door.ts'

interface Answer {
  readonly list_services_response?: { readonly service: readonly { readonly name: string }[] }
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Buffer[] }
  readonly error_response?: { readonly error_code: number }
}

const packageDirectory = dirname(createRequire(import.meta.url).resolve('@grpc/reflection'))

/** Asks the questions on one call, as a generic client does. */
const ask = async (t: Test, address: string, ...questions: readonly object[]): Promise<readonly Answer[]> => {
  const definition = loadSync(join(packageDirectory, '../proto/grpc/reflection/v1/reflection.proto'), { keepCase: true })
  const { ServerReflection } = (loadPackageDefinition(definition) as never)['grpc']['reflection']['v1'] as Record<string, never>
  const client = new (ServerReflection as never as new (address: string, with_: unknown) => never)(
    address,
    credentials.createInsecure(),
  ) as {
    ServerReflectionInfo(): AsyncIterable<Answer> & { write(question: object): void; end(): void }
    close(): void
  }
  t.teardown(() => client.close())
  const call = client.ServerReflectionInfo()
  for (const question of questions) call.write(question)
  call.end()
  const answers: Answer[] = []
  for await (const answer of call) answers.push(answer)
  return answers
}

const services = [
  implement(AccessService, echo),
  implement(ClinicService, { registerClinic: async () => ({}), listClinics: async () => ({}) }),
]

t.test('a generic client learns the services and their messages', async (t) => {
  const door = await grpcDoor(t, { services, reflection: true })
  const [list, symbol, unknown] = await ask(
    t,
    door.address,
    { list_services: '' },
    { file_containing_symbol: 'chartwarden.access.v1.AccessService.Check' },
    { file_containing_symbol: 'chartwarden.access.v1.Nothing' },
  )
  t.strictSame(
    list?.list_services_response?.service.map(({ name }) => name).sort(),
    [AccessService.typeName, ClinicService.typeName].sort(),
  )
  const files = symbol?.file_descriptor_response?.file_descriptor_proto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes)) ?? []
  const check = files
    .flatMap(({ service }) => service)
    .find(({ name }) => name === 'AccessService')
    ?.method.find(({ name }) => name === 'CheckStream')
  t.ok(check?.clientStreaming && check.serverStreaming)
  t.ok(files.flatMap(({ messageType }) => messageType).some(({ name }) => name === 'CheckRequest'))
  t.ok(
    files.some(({ package: name }) => name === 'chartwarden.types.v1'),
    'with the files it imports',
  )
  t.equal(unknown?.error_response?.error_code, 5)
})

t.test('where it is off there is nothing', async (t) => {
  const door = await grpcDoor(t, { services })
  const error = await ask(t, door.address, { list_services: '' }).then(
    () => undefined,
    (thrown: ServiceError) => thrown,
  )
  t.equal(error?.code, 12)
})
