import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { createFileRegistry, fromBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { Client, credentials } from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import { AccessService } from '../../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { ClinicService } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ErrorInfoSchema } from '../../../proto/gen/google/rpc/error_details_pb.js'
import { Health } from '../../../proto/gen/grpc/health/v1/health_pb.js'
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from '../../../proto/gen/grpc/reflection/v1/reflection_pb.js'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { createGrpcClient } from '../../../services/kernel/grpc/client.ts'
import { implement } from '../../../services/kernel/grpc/implement.ts'
import { fault } from '../../support/fault.ts'
import { echo, grpcDoor } from '../../support/grpc-door.ts'

type Question = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>['messageRequest']>

const services = [
  implement(AccessService, {
    ...echo,
    check: async () => {
      throw new ChartwardenError('SUBJECT_UNKNOWN')
    },
  }),
  implement(ClinicService, { registerClinic: async () => ({}), listClinics: async () => ({}) }),
]

const allNames = [AccessService, ClinicService, Health, ServerReflection].map(({ typeName }) => typeName).sort()

const collect = async <Item>(items: AsyncIterable<Item>): Promise<Item[]> => {
  const collected: Item[] = []
  for await (const item of items) collected.push(item)
  return collected
}

/** Asks the questions on one call, as a generic client does. */
const ask = async (t: Test, address: string, ...questions: readonly (Question | undefined)[]): Promise<ServerReflectionResponse[]> => {
  const client = createGrpcClient(ServerReflection, { address })
  t.teardown(() => client.disconnect())
  const requests = async function* () {
    for (const messageRequest of questions) yield { host: 'example', ...(messageRequest === undefined ? {} : { messageRequest }) }
  }
  return collect(client.serverReflectionInfo(requests()))
}

const filesOf = (answer: ServerReflectionResponse | undefined) =>
  answer?.messageResponse.case === 'fileDescriptorResponse'
    ? answer.messageResponse.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes))
    : []

const errorOf = (answer: ServerReflectionResponse | undefined) =>
  answer?.messageResponse.case === 'errorResponse' ? answer.messageResponse.value.errorCode : undefined

/** Runs the real buf, which knows of the service only what it reflects. */
const bufCurl = async (...words: readonly string[]) => {
  const buf = createRequire(import.meta.url).resolve('@bufbuild/buf/bin/buf')
  const run = promisify(execFile)(process.execPath, [buf, 'curl', '--http2-prior-knowledge', '--protocol', 'grpc', '--reflect', ...words], {
    timeout: 60_000,
  })
  return run.then(
    ({ stdout, stderr }) => ({ stdout, stderr, code: 0 }),
    ({ stdout, stderr, code }: { stdout: string; stderr: string; code: number }) => ({ stdout, stderr, code }),
  )
}

t.test('a generic client learns the services and their messages', async (t) => {
  const door = await grpcDoor(t, { services, reflection: true })
  const [list, symbol] = await ask(
    t,
    door.address,
    { case: 'listServices', value: '' },
    { case: 'fileContainingSymbol', value: 'chartwarden.access.v1.AccessService.Check' },
  )
  t.strictSame(
    list?.messageResponse.case === 'listServicesResponse' && list.messageResponse.value.service.map(({ name }) => name).sort(),
    allNames,
  )
  t.equal(list?.validHost, 'example')
  t.equal(list?.originalRequest?.messageRequest.case, 'listServices')
  const files = filesOf(symbol)
  t.equal(files[0]?.name, 'chartwarden/access/v1/access_service.proto', 'the file itself comes first, under its own name')
  const names = files.map(({ name }) => name)
  for (const { name, dependency } of files) {
    for (const imported of dependency) t.ok(names.includes(imported), `${name} imports ${imported}, which is there`)
  }
  const [own, ...imported] = files
  if (own === undefined) throw new Error('no file')
  const service = createFileRegistry(own, (name) => imported.find((file) => file.name === name)).getService(AccessService.typeName)
  t.equal(service?.method.checkStream?.methodKind, 'bidi_streaming')
  t.strictSame(
    service?.method.check?.input.fields.map(({ jsonName }) => jsonName),
    AccessService.method.check.input.fields.map(({ jsonName }) => jsonName),
  )
})

t.test('every kind of symbol and every file is found, and what is not there is said to be not found', async (t) => {
  const door = await grpcDoor(t, { services, reflection: true })
  const known: readonly Question[] = [
    ...[
      'chartwarden.access.v1.AccessService',
      'chartwarden.access.v1.CheckRequest',
      'chartwarden.access.v1.CheckRequest.request_id',
      'chartwarden.types.v1.Decision',
      'chartwarden.types.v1.DECISION_PERMIT',
      'google.protobuf.Timestamp',
      ErrorInfoSchema.typeName,
      Health.typeName,
    ].map((value) => ({ case: 'fileContainingSymbol' as const, value })),
    { case: 'fileByFilename', value: 'chartwarden/types/v1/types.proto' },
    { case: 'fileByFilename', value: 'google/rpc/error_details.proto' },
  ]
  const unknown: readonly Question[] = [
    ...['chartwarden.access.v1.Nothing', '', '.chartwarden', '__proto__', 'chartwarden.types.v1.Decision.DECISION_PERMIT'].map((value) => ({
      case: 'fileContainingSymbol' as const,
      value,
    })),
    { case: 'fileByFilename', value: '../../../etc/passwd' },
    { case: 'fileContainingExtension', value: { containingType: 'google.protobuf.MessageOptions', extensionNumber: 1 } },
    { case: 'allExtensionNumbersOfType', value: 'google.protobuf.MessageOptions' },
  ]
  const answers = await ask(t, door.address, ...known, ...unknown, undefined)
  for (const [index, { value }] of known.entries()) t.ok(filesOf(answers[index]).length > 0, String(value))
  for (const [index, { value }] of unknown.entries()) t.equal(errorOf(answers[known.length + index]), 5, JSON.stringify(value))
  t.equal(errorOf(answers.at(-1)), 3, 'a request that asks for nothing')
})

t.test('bytes that are no question end the call as an invalid argument', async (t) => {
  const door = await grpcDoor(t, { services, reflection: true })
  const client = new Client(door.address, credentials.createInsecure())
  t.teardown(() => client.close())
  const same = (bytes: Buffer) => bytes
  const call = client.makeBidiStreamRequest<Buffer, Buffer>('/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', same, same)
  call.write(Buffer.from([0xff, 0xff]))
  await t.rejects(collect(call), { code: 3 })
  t.equal((await ask(t, door.address, { case: 'listServices', value: '' })).length, 1, 'and the next call is answered')
})

t.test('a client that still has its call open does not hold up a server that stops', async (t) => {
  const door = await grpcDoor(t, { services, reflection: true })
  const client = createGrpcClient(ServerReflection, { address: door.address })
  t.teardown(() => client.disconnect())
  const silence = Promise.withResolvers<never>()
  const requests = async function* () {
    yield { messageRequest: { case: 'listServices', value: '' } } as const
    yield await silence.promise
  }
  const answers = client.serverReflectionInfo(requests())[Symbol.asyncIterator]()
  t.equal((await answers.next()).done, false)
  await door.server.drain(3_600_000)
  t.equal((await answers.next()).done, true)
})

t.test('buf lists the services and their methods', async (t) => {
  const door = await grpcDoor(t, { services, reflection: true })
  const url = `http://${door.address}`
  const [listed, methods] = await Promise.all([bufCurl('--list-services', url), bufCurl('--list-methods', url)])
  t.strictSame(listed.stdout.trim().split('\n').sort(), allNames, listed.stderr)
  t.strictSame(
    methods.stdout.trim().split('\n').sort(),
    [AccessService, ClinicService, Health, ServerReflection]
      .flatMap(({ typeName, methods }) => methods.map(({ name }) => `${typeName}/${name}`))
      .sort(),
    methods.stderr,
  )
})

for (const version of ['grpc-v1', 'grpc-v1alpha']) {
  t.test(`buf makes calls knowing only what ${version} reflects`, async (t) => {
    const door = await grpcDoor(t, { services, reflection: true })
    const url = (method: string) => `http://${door.address}/${AccessService.typeName}/${method}`
    const header = ['--reflect-protocol', version, '--header', `authorization: Bearer ${door.token()}`]
    const batch = await bufCurl(...header, '-d', '{"clinic":"north","checks":[{"requestId":"a"}]}', url('CheckBatch'))
    t.strictSame(JSON.parse(batch.stdout || 'null'), { results: [{ response: { requestId: 'a' } }] }, batch.stderr)
    const check = await bufCurl(...header, '-d', '{"clinic":"north"}', url('Check'))
    t.not(check.code, 0)
    const { code, details } = JSON.parse(check.stderr || 'null') as { code: string; details: readonly { type: string; value: string }[] }
    t.equal(code, 'not_found')
    t.equal(details[0]?.type, ErrorInfoSchema.typeName)
    t.match(fromBinary(ErrorInfoSchema, Buffer.from(details[0]?.value ?? '', 'base64')), {
      reason: 'SUBJECT_UNKNOWN',
      domain: 'chartwarden',
    })
  })
}

t.test('where it is off there is nothing', async (t) => {
  const door = await grpcDoor(t, { services })
  await t.rejects(ask(t, door.address, { case: 'listServices', value: '' }), fault('UNIMPLEMENTED'))
})
