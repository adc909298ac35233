import { AccessService } from '../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { ClinicService, PolicyService, RelationshipService, StaffService } from '../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ConsentService } from '../proto/gen/chartwarden/access/v1/consent_pb.js'
import { DirectoryService } from '../proto/gen/chartwarden/access/v1/directory_pb.js'
import { EmergencyService } from '../proto/gen/chartwarden/access/v1/emergency_pb.js'
import { AuditService } from '../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { ReportService } from '../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { createGrpcClient } from '../services/kernel/grpc/client.ts'
import { patientStream } from './patient-stream.ts'
import type { ClientTls } from './tls.ts'

export interface ConnectionOptions {
  /** host:port */
  readonly address: string
  readonly token: string
  /** `ca`: PEM of the authorities that may sign the service's certificate, else those of Node. Undefined: no TLS. */
  readonly tls?: NonNullable<ClientTls>
  /** Deadline of one call and longest silence of a stream, in milliseconds. */
  readonly timeoutMs: number
}

/** The whole API under one token. */
export const createConnection = ({ address, token, tls, timeoutMs }: ConnectionOptions) => {
  const options = { address, token, ...(tls === undefined ? {} : { tls }), timeoutMs }
  const clients = {
    access: createGrpcClient(AccessService, options),
    clinics: createGrpcClient(ClinicService, options),
    staff: createGrpcClient(StaffService, options),
    policy: createGrpcClient(PolicyService, options),
    relationships: createGrpcClient(RelationshipService, options),
    directory: createGrpcClient(DirectoryService, options),
    consents: createGrpcClient(ConsentService, options),
    emergencies: createGrpcClient(EmergencyService, options),
    audit: createGrpcClient(AuditService, options),
    reports: createGrpcClient(ReportService, options),
  }
  return {
    ...clients,
    /** A stream of these clients under the deadline: it may last longer, but the service may not be silent for so long. */
    stream: <Message>(start: (signal: AbortSignal) => AsyncIterable<Message>): AsyncIterable<Message> =>
      patientStream({ start, silenceMs: timeoutMs }),
    close: (): void => {
      for (const client of Object.values(clients)) client.disconnect()
    },
  }
}

export type Connection = ReturnType<typeof createConnection>
