/** The service as its callers have it, and what they ask of it. */
import { randomUUID } from 'node:crypto'
import { AccessService } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { StaffService } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { AuditService } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { Decision, type EntryRef } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { createGrpcClient, type GrpcClient } from '../../services/kernel/grpc/client.ts'
import type { LoadOptions, Reply } from './load.ts'

export interface Doors {
  readonly access: GrpcClient<typeof AccessService.method>
  readonly staff: GrpcClient<typeof StaffService.method>
  readonly audit: GrpcClient<typeof AuditService.method>
  close(): void
}

export const openDoors = (address: string, token: string): Doors => {
  // Longer than the service itself takes to give up.
  const options = { address, token, timeoutMs: 20_000 }
  const doors = {
    access: createGrpcClient(AccessService, options),
    staff: createGrpcClient(StaffService, options),
    audit: createGrpcClient(AuditService, options),
  }
  return {
    ...doors,
    close: () => {
      for (const client of Object.values(doors)) client.disconnect()
    },
  }
}

/** Of this many questions of a caller one is a change, so that decisions have to be made again. */
const changeEvery = 40

const replyOf = (clinic: string, entry: EntryRef | undefined, decision: Reply['decision']): Reply => ({
  clinic,
  id: entry?.id ?? '',
  revision: entry?.revision ?? -1n,
  decision,
})

export interface QuestionsOptions {
  /** Of the service that runs now; waits for one. */
  readonly doors: () => Promise<Doors>
  readonly clinics: readonly string[]
  /** Who asks in each of them. */
  readonly people: readonly string[]
}

/** Checks and enrolments, each under a request id of its own that it keeps. */
export const questionsTo = ({ doors, clinics, people }: QuestionsOptions): Pick<LoadOptions, 'ask' | 'reasonOf' | 'ready'> => ({
  ready: doors,
  reasonOf: (thrown) => {
    if (thrown instanceof ChartwardenError) return thrown.reason
    throw thrown
  },
  ask: (caller, turn) => {
    const requestId = randomUUID()
    const clinic = clinics[(caller + turn) % clinics.length] as string
    if (turn % changeEvery === changeEvery - 1) {
      const subject = { type: 'staff', id: `joined-${requestId}` }
      return async () => replyOf(clinic, (await (await doors()).staff.enrolStaff({ requestId, clinic, subject })).entry, undefined)
    }
    const subject = { type: 'staff', id: people[turn % people.length] as string }
    const resource = { type: 'treatment_record', id: `record-${requestId}`, patientId: `patient-${turn % 20}` }
    return async () => {
      const { access } = await doors()
      const { entry, decision } = await access.check({ requestId, clinic, subject, action: { name: 'read' }, resource, purpose: 'TREAT' })
      return replyOf(clinic, entry, decision === Decision.PERMIT ? 'permit' : 'deny')
    }
  },
})
