/**
 * Every method of the contract that has a twin, asked over gRPC in one clinic and over HTTP in its like: the same answers, the same refusals,
 * the same entries. The methods come from the descriptors, the calls from the table that the scopes are held to with.
 */
import { randomUUID } from 'node:crypto'
import { clone, create, type DescField, type DescMethod, type JsonValue, type Message, ScalarType, toJson } from '@bufbuild/protobuf'
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect'
import t from 'tap'
import { Effect } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ChartwardenError, errorCatalogue } from '../../services/kernel/errors.ts'
import { type Twin, twinsOf } from '../../services/kernel/http/twin.ts'
import { type MethodName, type MethodRule, methodRules, type Scope, scopes } from '../../services/kernel/scopes.ts'
import { type Clients, clientsOf, hire } from '../support/clinic.ts'
import { methodCalls, type Person, registerCalledClinic, restoreStanding, type Standing } from '../support/method-calls.ts'
import { readOpenApi, schemaFaults } from '../support/open-api.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startTestService } from '../support/service.ts'

/** gRPC is asked in the one, HTTP in the other. */
const clinics = ['north', 'south'] as const

/** May do everything that a person needs to be permitted, in both. */
const manager = { type: 'staff', id: 'manager' }

const hireManager = async (own: Clients, clinic: string): Promise<void> => {
  const needed = Object.values<MethodRule>(methodRules).flatMap(({ person }) => (typeof person === 'string' ? [] : [person]))
  const permissions = [...needed, { resourceType: 'imaging', action: 'share' }].map(({ resourceType, action }) => ({
    resourceType,
    actions: [action],
    effect: Effect.PERMIT,
  }))
  await own.policy.putRole({ requestId: randomUUID(), clinic, role: { role: 'manager', title: 'Manager', permissions } })
  await hire(own, clinic, manager.id, 'manager')
}

/** Methods of the audit service that answer with the newest checkpoint or with the whole ledger. */
const growing: ReadonlySet<string> = new Set([
  'GetCheckpoint',
  'ProveInclusion',
  'ProveConsistency',
  'AwaitReceipt',
  'CheckLedger',
  'ExportEntries',
])

/** A stream that follows ends so, at both doors. */
const patienceMs = 1_500

/** Everything of the contract, by service. */
const services = (() => {
  const found = new Map<string, DescMethod['parent']>()
  clientsOf({ client: (service) => found.set(service.typeName, service) as never }, '')
  return [...found.values()]
})()

const twins: readonly Twin[] = services.flatMap((service) => twinsOf(service, methodRules))

/** The request that the table of calls makes of a method, without making it. */
const requestOf = (name: MethodName, clinic: string, person: Person, standing: Standing): Message => {
  let seen: Message | undefined
  const recording = clientsOf(
    {
      client: ({ methods }) =>
        Object.fromEntries(
          methods.map(({ localName, input }) => [
            localName,
            (request: Record<string, unknown>) => {
              seen ??= create(input, request)
              return Object.assign(Promise.resolve({}), { [Symbol.asyncIterator]: async function* () {} })
            },
          ]),
        ) as never,
    },
    '',
  )
  void methodCalls(recording, clinic, person, standing)[name]()
  return seen as Message
}

/** Clients by the full name of their service, without the types of their methods. */
type AnyClients = ReadonlyMap<string, Readonly<Record<string, (request: Message, options: object) => unknown>>>

interface Outcome {
  readonly reason: string
  readonly fields: readonly string[]
  readonly answers: readonly JsonValue[]
}

/** What differs between two clinics by its nature; texts of one letter are our own too long ones. */
const masked = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value ?? null)
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<id>')
      .replaceAll(/c-[0-9a-f]{8}\b/g, '<clinic>')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
      .replaceAll(/"(nonce|leaf_hash|next_page_token|canonical)":"[^"]+"/g, '"$1":"<opaque>"')
      .replaceAll(/"(?=[^"]*[A-Z])(?=[^"]*[a-z])[A-Za-z0-9_-]{22,}=*"/g, '"<opaque>"')
      .replaceAll(/north|south/g, '<clinic>')
      .replaceAll(/log\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+/g, '<key of the log>')
      .replaceAll(/"(root|size|checkpoint_size)":"[^"]+"/g, '"$1":"<of the log>"'),
  )

const json = (method: DescMethod, message: Message): JsonValue =>
  toJson(method.output, message, { useProtoFieldName: true, alwaysEmitImplicit: true })

const failure = (thrown: unknown, answers: readonly JsonValue[]): Outcome => {
  if (!(thrown instanceof ChartwardenError)) throw thrown
  return { reason: thrown.reason, fields: thrown.fields.map(({ field }) => field), answers }
}

const overGrpc = async (clients: AnyClients, { plan }: Twin, request: Message): Promise<Outcome> => {
  const { method } = plan
  const answers: JsonValue[] = []
  try {
    const given = clients
      .get(method.parent.typeName)
      ?.[method.localName]?.(request, { timeoutMs: method.methodKind === 'unary' ? 30_000 : patienceMs })
    if (method.methodKind === 'unary') answers.push(json(method, (await given) as Message))
    else for await (const message of given as AsyncIterable<Message>) answers.push(json(method, message))
    return { reason: 'none', fields: [], answers }
  } catch (thrown) {
    return failure(thrown, answers)
  }
}

interface Problem {
  readonly reason: keyof typeof errorCatalogue
  readonly status: number
  readonly errors?: readonly { readonly field: string }[]
}

const problemOutcome = (problem: Problem, answers: readonly JsonValue[] = []): Outcome => ({
  reason: problem.reason,
  fields: (problem.errors ?? []).map(({ field }) => field),
  answers,
})

/** Values that few fields take: a text that is too long, a number below nothing, a part that says nothing. */
const spoilt = (field: DescField): unknown => {
  if (field.fieldKind === 'message') return reflect(field.message)
  if (field.fieldKind !== 'scalar') return undefined
  if (field.scalar === ScalarType.STRING) return 'x'.repeat(5_000)
  return field.scalar === ScalarType.INT32 ? -1 : undefined
}

/** The request without each of its fields, and with each spoilt: both doors must refuse these, or take them, alike. */
const variantsOf = function* (request: Message, { input }: DescMethod): Generator<Message> {
  const changed = (change: (copy: ReflectMessage) => void): Message => {
    const copy = reflect(input, clone(input, request))
    change(copy)
    return copy.message
  }
  for (const field of input.fields) {
    if (field.name === 'clinic') continue
    if (reflect(input, request).isSet(field)) yield changed((copy) => copy.clear(field))
    const wrong = spoilt(field)
    if (wrong !== undefined) yield changed((copy) => copy.set(field, wrong))
  }
}

t.test('every twin does what its method does', async (t) => {
  const database = await createTestDatabase(t)
  // A check by schedule would be an entry of one clinic and not yet of the other.
  const service = await startTestService(t, { database, environment: { CHARTWARDEN_SELF_CHECK_HOURS: '0' } })
  const document = readOpenApi()
  const faults = schemaFaults(document)
  const own = clientsOf(service, await service.token({ clinics: [...clinics] }))
  for (const clinic of clinics) {
    await registerCalledClinic(own, clinic)
    await hireManager(own, clinic)
  }
  const callerOf = (token: string) => {
    const clientOf = (definition: (typeof services)[number]) =>
      [definition.typeName, service.client(definition as never, token) as never] as const
    const clients: AnyClients = new Map(services.map(clientOf))
    return { token, clients }
  }
  const alone = callerOf(await service.token({ clinics: [...clinics] }))
  const acting = callerOf(await service.token({ clinics: [...clinics], scopes: Object.keys(scopes) as Scope[] }))
  let caller = alone

  const overHttp = async (twin: Twin, request: Message): Promise<Outcome> => {
    const { method } = twin.plan
    const { clinic, ...body } = toJson(method.input, request, { useProtoFieldName: true }) as Record<string, JsonValue>
    const path = twin.path.replace('{clinic}', String(clinic))
    const answer = await fetch(`http://127.0.0.1:${service.httpPort}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${caller.token}`,
        'content-type': 'application/json',
        ...(twin.streams ? { 'grpc-timeout': `${patienceMs}m` } : {}),
      },
      body: JSON.stringify(path === twin.path ? { clinic, ...body } : body),
    })
    const lines = (await answer.text()).split('\n').filter((line) => line !== '')
    const values = lines.map((line) => JSON.parse(line))
    if (answer.status !== 200) {
      const [problem] = values as [Problem]
      t.equal(faults('Problem', problem), undefined, `${path}: the problem is as documented`)
      t.strictSame([answer.status, problem.status], Array(2).fill(errorCatalogue[problem.reason].http), `${path}: ${problem.reason}`)
      return problemOutcome(problem)
    }
    const last = values.at(-1)
    const ended = twin.streams && last?.problem !== undefined
    const answers = ended ? values.slice(0, -1) : values
    for (const value of answers) t.equal(faults(method.output.typeName, value), undefined, `${path}: the answer is as documented`)
    if (ended) t.equal(faults('ProblemLine', last), undefined)
    return ended ? problemOutcome(last.problem, answers) : { reason: 'none', fields: [], answers }
  }

  const served = new Set<string>()
  for (const twin of twins) {
    const { plan } = twin
    const name = plan.name as MethodName
    await t.test(name, async (t) => {
      const [forGrpc, forHttp] = (await Promise.all(
        clinics.map(async (clinic) => requestOf(name, clinic, manager, await restoreStanding(own, clinic))),
      )) as [Message, Message]
      // What reports and logs hold by now depends on how far they have come.
      const settled = !plan.method.parent.typeName.startsWith('chartwarden.report.') && !growing.has(plan.method.name)
      const compare = async (one: Message, other: Message, what: string): Promise<Outcome> => {
        const [expected, found] = [await overGrpc(caller.clients, twin, one), await overHttp(twin, other)]
        t.strictSame([found.reason, found.fields], [expected.reason, expected.fields], `${what}: ${expected.reason}`)
        if (settled) t.strictSame(masked(found.answers), masked(expected.answers), what)
        return found
      }
      // A person where one can be named, since some do nothing without.
      caller = plan.method.input.fields.some(({ name }) => name === 'on_behalf_of') ? acting : alone
      const { reason } = await compare(forGrpc, forHttp, 'as it should be')
      if (reason === 'none' || twin.streams) served.add(twin.path)
      const [nothing, nothingElse] = clinics.map((clinic) => create(plan.method.input, { clinic })) as [Message, Message]
      const empty = await compare(nothing, nothingElse, 'nothing')
      const { required } = document.paths[twin.path]?.post?.requestBody ?? {}
      t.equal(empty.reason === 'INVALID_ARGUMENT', required, `the document says whether the body may be left out: ${name}`)
      const others = variantsOf(forHttp, plan.method)
      let count = 0
      for (const one of variantsOf(forGrpc, plan.method)) {
        count += 1
        await compare(one, others.next().value as Message, `variant ${count}`)
      }
    })
  }
  t.strictSame(
    Object.entries(document.paths).flatMap(([path, { post }]) => (post === undefined || served.has(path) ? [] : [path])),
    [],
    'every documented route has given an answer that was checked',
  )

  const entriesOf = async (clinic: string): Promise<readonly unknown[]> => {
    const entries: unknown[] = []
    for await (const { item } of own.audit.readEntries({ clinic, unsealed: false } as never)) {
      if (item.case !== 'entry') continue
      const { type, data, caller } = JSON.parse(Buffer.from(item.value.canonical).toString('utf8'))
      entries.push(masked([type, caller, data]))
    }
    return entries
  }
  const [left, right] = [await entriesOf(clinics[0]), await entriesOf(clinics[1])]
  t.ok(left.length > 100, `${left.length} entries`)
  t.strictSame(right, left, 'both doors leave the same entries in the same order')
})

t.test('the OpenAPI document is served to whoever shows a valid token, as it is committed', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const get = (headers: Record<string, string>) => fetch(`http://127.0.0.1:${service.httpPort}/v1/openapi.json`, { headers })
  const answer = await get({ authorization: `Bearer ${await service.token({ clinics: ['north'], scopes: [] })}` })
  t.strictSame(await answer.json(), readOpenApi())
  t.match(await (await get({})).json(), { reason: 'TOKEN_MISSING' })
})

t.test('a repeat over the other door is the same request', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const token = await service.token({ clinics: ['north'] })
  const own = clientsOf(service, token)
  await registerCalledClinic(own, 'north')
  const requestId = randomUUID()
  const subject = { type: 'staff', id: 'newcomer' }
  const enrolled = await own.people.enrolStaff({ requestId, clinic: 'north', subject })
  const post = async (body: object) => {
    const answer = await fetch(`http://127.0.0.1:${service.httpPort}/v1/clinics/north/staff/enrol-staff`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return answer.json() as Promise<Record<string, unknown>>
  }
  t.match(await post({ request_id: requestId, subject }), { replayed: true, entry: { id: enrolled.entry?.id } })
  t.match(await post({ requestId, subject: { type: 'staff', id: 'other' } }), { reason: 'REQUEST_MISMATCH', status: 409 })
})
