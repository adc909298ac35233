/** An import that is broken off is taken up by the same command, and nothing is recorded twice. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import type { RecordAccessBatchRequest } from '../../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { AuditService } from '../../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import type { Append, Ledger } from '../../../../services/audit/ledger.ts'
import { implement } from '../../../../services/kernel/grpc/implement.ts'
import { clientsOf, registerTestClinic } from '../../../support/clinic.ts'
import { commandLine } from '../../../support/command-line.ts'
import { ndjson, r4Event } from '../../../support/fhir-events.ts'
import { grpcDoor } from '../../../support/grpc-door.ts'
import { createTestDatabase } from '../../../support/postgres.ts'
import { startTestService } from '../../../support/service.ts'
import { refusingAudit } from '../../../support/stream-service.ts'
import { startTcpRelay } from '../../../support/tcp-relay.ts'
import { waitFor } from '../../../support/wait-for.ts'

t.setTimeout(240_000)

const root = path.resolve(import.meta.dirname, '../../../..')
const count = 1300

const eventsFile = (test: Test): string => {
  const file = path.join(test.testdir(), 'events.ndjson')
  writeFileSync(file, ndjson(...Array.from({ length: count }, (_, index) => r4Event(`e-${index}`))))
  return file
}

const isRecorded = ({ entries }: Append): boolean => entries.some(({ type }) => type === 'chartwarden.access.recorded.v1')

/** A service with a clinic, whose ledger tells of each access that it has stored. */
const watchedService = async (test: Test, onStored: (stored: number) => void) => {
  let stored = 0
  const decorateLedger = (ledger: Ledger): Ledger => ({
    ...ledger,
    append: async (append) => {
      const outcome = await ledger.append(append)
      if (isRecorded(append) && outcome.kind === 'stored') {
        stored += 1
        onStored(stored)
      }
      return outcome
    },
  })
  const service = await startTestService(test, { database: await createTestDatabase(test), decorateLedger })
  await registerTestClinic(clientsOf(service, await service.token({ clinics: ['north'] })), 'north')
  return { service, stored: () => stored }
}

t.test('a connection that is lost in the middle and comes back', async (t) => {
  let cut = (): void => {}
  const { service, stored } = await watchedService(t, (number) => {
    if (number === 600) cut()
  })
  const relay = await startTcpRelay(t, service.address)
  let isCut = false
  cut = () => {
    isCut = true
    relay.cut()
  }
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: relay.address })
  const running = chartwarden('import', 'events', eventsFile(t), '--clinic', 'north', '--json')
  await waitFor('the cut', () => isCut)
  relay.mend()
  const { code, out, err } = await running
  t.equal(code, 0, err)
  t.match(err, /Not recorded yet \(SERVICE_UNREACHABLE\); trying again/)
  const summary = JSON.parse(out)
  t.equal(summary.recorded + summary.there_already, count)
  t.equal(stored(), count, 'each once')
})

t.test('a command that is killed in the middle', async (t) => {
  let kill = (): void => {}
  const { service, stored } = await watchedService(t, (number) => {
    if (number === 600) kill()
  })
  const file = eventsFile(t)
  const environment = { CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address }
  const child = spawn(process.execPath, ['cli/main.ts', 'import', 'events', file, '--clinic', 'north'], {
    cwd: root,
    env: { PATH: process.env.PATH, ...environment } as NodeJS.ProcessEnv,
    stdio: 'ignore',
  })
  kill = () => child.kill('SIGKILL')
  await once(child, 'close')
  t.ok(stored() >= 600 && stored() < count)
  const again = await commandLine(environment)('import', 'events', file, '--clinic', 'north', '--json')
  t.equal(again.code, 0, again.err)
  const summary = JSON.parse(again.out)
  t.ok(summary.there_already >= 600)
  t.equal(summary.recorded + summary.there_already, count)
  t.equal(stored(), count, 'each once')
})

/** A door whose ledger is a set of request ids; `before` runs ahead of each call. */
const recordingDoor = async (test: Test, before: (call: number) => void, idOf: (id: string, call: number) => string = (id) => id) => {
  const recorded = new Set<string>()
  let calls = 0
  const service = implement(AuditService, {
    ...refusingAudit,
    recordAccessBatch: async ({ accesses, validateOnly }: RecordAccessBatchRequest) => {
      if (validateOnly) return { results: accesses.map(() => ({ outcome: { case: 'response' as const, value: {} } })) }
      calls += 1
      before(calls)
      const results = accesses.map(({ requestId }) => {
        const id = idOf(requestId, calls)
        const replayed = recorded.has(id)
        recorded.add(id)
        return { outcome: { case: 'response' as const, value: { replayed } } }
      })
      return { results }
    },
  })
  const door = await grpcDoor(test, { services: [service] })
  const token = (): string => door.token({ scope: 'access.record', exp: Math.floor(door.clock.wall() / 1000) + 300 })
  const run = (file: string) =>
    commandLine({ CHARTWARDEN_GRPC_ADDR: door.address, CHARTWARDEN_TOKEN: token() })('import', 'events', file, '--clinic', 'north')
  return { door, recorded, run }
}

t.test('a token that ends in the middle', async (t) => {
  let afterFirst = (): void => {}
  const { door, recorded, run } = await recordingDoor(t, (call) => {
    if (call === 1) afterFirst()
  })
  afterFirst = () => door.clock.advance(3_600_000)
  const file = eventsFile(t)
  const first = await run(file)
  t.equal(first.code, 4)
  t.match(first.err, /512 recorded and 0 found there already until then.*nothing is recorded twice.*TOKEN_EXPIRED/)
  t.equal(recorded.size, 512)
  const again = await run(file)
  t.equal(again.code, 0, again.err)
  t.match(again.err, /788 recorded, 512 there already/)
  t.equal(recorded.size, count)
})

t.test('twin: a service that took each call for a new one would be noticed', async (t) => {
  const { recorded, run } = await recordingDoor(
    t,
    () => {},
    (id, call) => `${id} ${call}`,
  )
  const file = eventsFile(t)
  await run(file)
  const again = await run(file)
  t.notMatch(again.err, /0 recorded, 1300 there already/)
  t.equal(recorded.size, 2 * count)
})
