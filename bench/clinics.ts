import { randomUUID } from 'node:crypto'
import { ClinicService, Effect, PolicyService, StaffService } from '../proto/gen/chartwarden/access/v1/administration_pb.js'
import { createGrpcClient } from '../services/kernel/grpc/client.ts'
import { createBytesClient } from './load/bytes-client.ts'
import { checkBatchPath, countPermits, encodeBatch, encodeCheck } from './load/chartwarden-messages.ts'
import { inBatches, type Question } from './load/questions.ts'
import type { BenchService } from './service.ts'

export interface ClinicPeople {
  readonly clinic: string
  /** Each a dentist, who may read treatment records to treat. */
  readonly people: readonly string[]
}

const eachOf = async <Item>(items: readonly Item[], atOnce: number, work: (item: Item) => Promise<void>): Promise<void> => {
  const waiting = [...items]
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(next)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

/** Registers clinics with one role and the people who hold it. */
export const registerClinics = async (
  service: Pick<BenchService, 'address' | 'token'>,
  clinics: readonly ClinicPeople[],
): Promise<void> => {
  const names = clinics.map(({ clinic }) => clinic)
  const options = { address: service.address, token: service.token(names, ['clinic.register', 'policy.write', 'staff.write']) }
  const [registration, policy, staff] = [
    createGrpcClient(ClinicService, options),
    createGrpcClient(PolicyService, options),
    createGrpcClient(StaffService, options),
  ] as const
  const register = async ({ clinic, people }: ClinicPeople): Promise<void> => {
    const administrator = { type: 'staff', id: 'administrator' }
    await registration.registerClinic({ requestId: randomUUID(), clinic, title: clinic, timeZone: 'UTC', administrator })
    const permissions = [{ resourceType: 'treatment_record', actions: ['read'], effect: Effect.PERMIT, purposes: ['TREAT'] }]
    await policy.putRole({ requestId: randomUUID(), clinic, role: { role: 'dentist', title: 'Dentist', permissions } })
    for (const id of people) {
      const subject = { type: 'staff', id }
      await staff.enrolStaff({ requestId: randomUUID(), clinic, subject })
      await staff.grantRole({ requestId: randomUUID(), clinic, subject, role: 'dentist' })
    }
  }
  try {
    await eachOf(clinics, 16, register)
  } finally {
    for (const client of [registration, policy, staff]) client.disconnect()
  }
}

const largestBatch = 50

/** Asks every question once, so that everybody it names is known to the ledger. Gives the permits of each clinic; throws for a deny. */
export const askOnce = async (service: BenchService, questions: readonly Question[]): Promise<ReadonlyMap<string, number>> => {
  const clinics = [...new Set(questions.map(({ clinic }) => clinic))]
  const client = createBytesClient({ address: service.address, token: service.token(clinics, ['access.check']) })
  const { batches, rest } = inBatches(questions, largestBatch)
  const answers = new Map<string, number>()
  try {
    await eachOf([...batches, ...rest], 8, async (batch) => {
      const [{ clinic }] = batch as [Question]
      const permits = countPermits(await client.call(checkBatchPath, encodeBatch(clinic, batch.map(encodeCheck))))
      if (permits !== batch.length) throw new Error(`${clinic}: of ${batch.length} questions ${permits} were permitted`)
      answers.set(clinic, (answers.get(clinic) ?? 0) + permits)
    })
    return answers
  } finally {
    client.close()
  }
}
