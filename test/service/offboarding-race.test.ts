/**
 * Promise 2 under load: two service processes on one database answer checks while 200 people are offboarded. The ledger alone must prove
 * that no permit of a person stands behind that person's offboarding, and every answer must stand in it as it was given.
 */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { AccessService } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { AccessDecided, StaffOffboarded } from '../../services/access/events.ts'
import { openEnvelope } from '../../services/audit/entry.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { scratchDirectory, startTestService, testCallers, testEnvironment } from '../support/service.ts'
import { startServiceProcess } from '../support/service-process.ts'

const clinic = 'north'
const leavers = Array.from({ length: 200 }, (_, index) => `leaver-${index}`)

t.test('200 people leave while two processes answer checks about them', { timeout: 240_000 }, async (t) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'race')
  // The reader of this process makes the schema and the keys, and reads the ledger at the end.
  const reader = await startTestService(t, { database, stateDir })
  const environment = { ...testEnvironment(database, stateDir), CHARTWARDEN_LOG_LEVEL: 'debug' }
  const processes = await Promise.all([startServiceProcess(t, environment), startServiceProcess(t, environment)])
  const callers = testCallers(t, stateDir, environment)
  const token = await callers.token({ clinics: [clinic] })
  const clients = clientsOf(reader, token)
  const doors = processes.map(({ address }) => callers.client(AccessService, token, address))

  await registerTestClinic(clients, clinic)
  await Promise.all(leavers.map((id) => hire(clients, clinic, id)))

  interface Answered {
    readonly person: string
    readonly revision: bigint
    readonly decision: Decision
  }
  const answered = new Map<string, Answered>()
  const permitsOf = new Map<string, number>()
  const deniesOf = new Map<string, number>()
  const settled = () => leavers.every((id) => (permitsOf.get(id) ?? 0) > 0 && (deniesOf.get(id) ?? 0) > 0)
  let stop = false

  const hammer = async (door: (typeof doors)[number], first: number): Promise<void> => {
    for (let turn = first; !stop; turn += 7) {
      const person = leavers[turn % leavers.length] as string
      const { decision, entry } = await door.check(readRecord(clinic, person))
      answered.set(entry?.id ?? '', { person, decision, revision: entry?.revision ?? -1n })
      const counts = decision === Decision.PERMIT ? permitsOf : deniesOf
      counts.set(person, (counts.get(person) ?? 0) + 1)
    }
  }
  const hammering = doors.flatMap((door, which) => Array.from({ length: 12 }, (_, lane) => hammer(door, which * 100 + lane * 13)))

  while (!leavers.every((id) => permitsOf.has(id))) await new Promise((resolve) => setImmediate(resolve))
  const people = processes.map(
    ({ address }) => clientsOf({ client: (service, given) => callers.client(service, given, address) }, token).people,
  )
  const acknowledged = new Map<string, bigint>()
  await Promise.all(
    Array.from({ length: 8 }, async (_, lane) => {
      for (let index = lane; index < leavers.length; index += 8) {
        const person = leavers[index] as string
        const { entry } = await (people[index % 2] as (typeof people)[number]).offboard({
          requestId: randomUUID(),
          clinic,
          subject: staff(person),
        })
        acknowledged.set(person, entry?.revision ?? -1n)
      }
    }),
  )
  while (!settled()) await new Promise((resolve) => setImmediate(resolve))
  stop = true
  await Promise.all(hammering)

  const decisions = new Map<string, { readonly data: AccessDecided; readonly revision: bigint }>()
  const leftAt = new Map<string, bigint>()
  let next = 0n
  let gaps = 0
  for await (const { item } of clients.audit.readEntries({ clinic })) {
    if (item.case !== 'entry') continue
    if (item.value.revision !== next) gaps += 1
    next = item.value.revision + 1n
    const { data } = openEnvelope(item.value.canonical)
    if (item.value.type === 'chartwarden.access.decided.v1') {
      decisions.set(item.value.id, { data: data as unknown as AccessDecided, revision: item.value.revision })
    }
    if (item.value.type === 'chartwarden.staff.offboarded.v1') {
      leftAt.set((data as unknown as StaffOffboarded).subject.pseudonym, item.value.revision)
    }
  }

  t.equal(leftAt.size, leavers.length, 'every offboarding is in the ledger once')
  t.equal(gaps, 0, 'the ledger has no gap')
  const permitsAfter = [...decisions.values()].filter(
    ({ data, revision }) => data.decision === 'permit' && revision > (leftAt.get(data.subject.pseudonym) ?? next),
  )
  t.same(permitsAfter, [], 'no permit stands behind its person’s offboarding')
  const different = [...answered].filter(([id, { decision, revision }]) => {
    const stored = decisions.get(id)
    return stored?.revision !== revision || (stored.data.decision === 'permit') !== (decision === Decision.PERMIT)
  })
  t.same(different, [], `all ${answered.size} answers stand in the ledger as they were given`)
  const late = [...answered.values()].filter(
    ({ person, decision, revision }) => decision === Decision.PERMIT && revision > (acknowledged.get(person) ?? next),
  )
  t.same(late, [], 'no permit was answered for a place behind an acknowledged offboarding')
  const without = [...leftAt].filter(([person, left]) => {
    const ofPerson = [...decisions.values()].filter(({ data }) => data.subject.pseudonym === person)
    const before = ofPerson.some(({ data, revision }) => data.decision === 'permit' && revision < left)
    const after = ofPerson.some(({ data, revision }) => data.reason_code === 'offboarded' && revision > left)
    return !before || !after
  })
  t.same(without, [], 'each of the 200 has permits before the offboarding and denies after it')
  const moved = processes.map(({ lines }) =>
    lines.reduce((sum, line) => sum + ((line.outcomes as { readonly moved?: number } | undefined)?.moved ?? 0), 0),
  )
  t.ok(
    moved.every((count) => count > 0),
    `conflicts occurred in both processes: ${moved.join(' and ')} decisions were made again`,
  )
})
