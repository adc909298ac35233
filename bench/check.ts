/**
 * Recorded decisions over gRPC beside the plainest echo server, in one run on one machine. Embedded Postgres with fsync on; one service
 * process, one client process, both on this machine. Prints a table in Markdown. `node bench/check.ts [seconds for each cell]`
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { create, toBinary } from '@bufbuild/protobuf'
import { Client, credentials } from '@grpc/grpc-js'
import { AccessService, CheckRequestSchema, type CheckStreamRequestSchema } from '../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { ClinicService, Effect, PolicyService, StaffService } from '../proto/gen/chartwarden/access/v1/administration_pb.js'
import { Decision } from '../proto/gen/chartwarden/types/v1/types_pb.js'
import { systemClock } from '../services/kernel/clock.ts'
import { readConfig } from '../services/kernel/config.ts'
import { createGrpcClient } from '../services/kernel/grpc/client.ts'
import { systemRandomness } from '../services/kernel/ids.ts'
import { developmentKeyFile, readDevelopmentKey, signDevelopmentToken } from '../services/kernel/tokens/development-key.ts'
import { startServer } from './child.ts'
import { machine } from './machine.ts'

const cellMs = Number(process.argv[2] ?? '3') * 1_000
const clinic = 'bench'
const patients = 2_000
const people = 20

interface Measured {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0

/** `call` answers `weight` items; `inFlight` of them run at any time. */
const measure = async (inFlight: number, call: () => Promise<void>, weight = 1): Promise<Measured> => {
  const latencies: number[] = []
  const run = async (until: number): Promise<void> => {
    while (performance.now() < until) {
      const started = performance.now()
      await call()
      latencies.push(performance.now() - started)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, () => run(performance.now() + Math.min(1_000, cellMs / 2))))
  latencies.length = 0
  const started = performance.now()
  await Promise.all(Array.from({ length: inFlight }, () => run(started + cellMs)))
  const seconds = (performance.now() - started) / 1_000
  latencies.sort((left, right) => left - right)
  return { perSecond: (latencies.length * weight) / seconds, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) }
}

const question = () => ({
  requestId: randomUUID(),
  clinic,
  subject: { type: 'staff', id: `dentist-${Math.floor(Math.random() * people)}` },
  action: { name: 'read' },
  resource: {
    type: 'treatment_record',
    id: `record-${Math.floor(Math.random() * 10_000)}`,
    patientId: `patient-${Math.floor(Math.random() * patients)}`,
  },
  purpose: 'TREAT',
})

const stateDir = mkdtempSync(path.join(os.tmpdir(), 'chartwarden-bench-'))
const environment = {
  CHARTWARDEN_STATE_DIR: stateDir,
  CHARTWARDEN_GRPC_ADDR: '127.0.0.1:0',
  CHARTWARDEN_HTTP_ADDR: '127.0.0.1:0',
  CHARTWARDEN_DEMO: 'false',
}
const echo = await startServer([path.join(import.meta.dirname, 'echo-server.ts')])
const service = await startServer([path.join(import.meta.dirname, '../cli/launch.js'), 'serve'], environment)
const rows: string[] = []
try {
  const { jwtIssuer: issuer, jwtAudience: audience } = readConfig(environment)
  const token = signDevelopmentToken({
    key: await readDevelopmentKey(developmentKeyFile(stateDir)),
    issuer,
    audience,
    clinics: [clinic],
    scopes: ['access.check', 'clinic.register', 'policy.write', 'staff.write'],
    subject: 'bench',
    ttlSeconds: 3_600,
    clock: systemClock,
    randomness: systemRandomness,
  })
  const options = { address: service.address, token }
  await createGrpcClient(ClinicService, options).registerClinic({
    requestId: randomUUID(),
    clinic,
    title: 'Bench',
    timeZone: 'UTC',
    administrator: { type: 'staff', id: 'boss' },
  })
  await createGrpcClient(PolicyService, options).putRole({
    requestId: randomUUID(),
    clinic,
    role: {
      role: 'dentist',
      title: 'Dentist',
      permissions: [{ resourceType: 'treatment_record', actions: ['read'], effect: Effect.PERMIT, purposes: ['TREAT'] }],
    },
  })
  const staff = createGrpcClient(StaffService, options)
  for (let index = 0; index < people; index += 1) {
    const subject = { type: 'staff', id: `dentist-${index}` }
    await staff.enrolStaff({ requestId: randomUUID(), clinic, subject })
    await staff.grantRole({ requestId: randomUUID(), clinic, subject, role: 'dentist' })
  }
  const access = createGrpcClient(AccessService, options)
  const check = async (): Promise<void> => {
    const { decision } = await access.check(question())
    if (decision !== Decision.PERMIT) throw new Error('a permit was expected')
  }
  // Every patient is met once before the clock starts, as in a clinic that has been open for a day.
  for (let first = 0; first < patients; first += 500) {
    const checks = Array.from({ length: 500 }, (_, index) => ({
      ...question(),
      resource: { type: 'treatment_record', id: 'r', patientId: `patient-${first + index}` },
    }))
    await access.checkBatch({ clinic, checks })
  }
  const bytes = Buffer.from(toBinary(CheckRequestSchema, create(CheckRequestSchema, question())))
  const bare = new Client(echo.address, credentials.createInsecure())
  const identity = (value: Buffer): Buffer => value
  const echoOnce = (): Promise<void> =>
    new Promise((resolve, reject) => {
      bare.makeUnaryRequest('/bench.Echo/Echo', identity, identity, bytes, (error) => (error === null ? resolve() : reject(error)))
    })
  const batch = async (): Promise<void> => {
    await access.checkBatch({ clinic, checks: Array.from({ length: 256 }, question) })
  }
  const show = (what: string, { perSecond, p50, p99 }: Measured, base: Measured | undefined): void => {
    const ratio = base === undefined ? '' : (perSecond / base.perSecond).toFixed(2)
    rows.push(`| ${what} | ${Math.round(perSecond)} | ${p50.toFixed(1)} | ${p99.toFixed(1)} | ${ratio} |`)
  }
  for (const inFlight of [1, 32, 128]) {
    const base = await measure(inFlight, echoOnce)
    show(`bare echo, ${inFlight} in flight`, base, undefined)
    show(`Check, recorded and durable, ${inFlight} in flight`, await measure(inFlight, check), base)
  }
  const base = await measure(128, echoOnce)
  show('CheckBatch of 256, 4 in flight', await measure(4, batch, 256), base)

  const streamed = async (): Promise<Measured> => {
    const inFlight = 256
    const sent = new Map<bigint, number>()
    const latencies: number[] = []
    let wake = (): void => {}
    let done = false
    async function* questions(): AsyncGenerator<MessageInitShape<typeof CheckStreamRequestSchema>> {
      for (let seq = 1n; !done; seq += 1n) {
        while (sent.size >= inFlight) await new Promise<void>((resolve) => (wake = resolve))
        sent.set(seq, performance.now())
        yield { seq, check: question() }
      }
    }
    const started = performance.now()
    for await (const { seq } of access.checkStream(questions())) {
      latencies.push(performance.now() - (sent.get(seq) ?? 0))
      sent.delete(seq)
      wake()
      if (performance.now() - started > cellMs) done = true
    }
    const seconds = (performance.now() - started) / 1_000
    latencies.sort((left, right) => left - right)
    return { perSecond: latencies.length / seconds, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) }
  }
  show('CheckStream, 256 in flight', await streamed(), base)
} finally {
  await service.stop()
  await echo.stop()
  rmSync(stateDir, { recursive: true, force: true })
}
process.stdout.write(
  `${machine()}; \`node bench/check.ts\`, ${cellMs / 1_000} s a cell.\n\n| | per second | p50 ms | p99 ms | against bare echo |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}\n`,
)
process.exit(0)
