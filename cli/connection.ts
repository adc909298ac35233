import { AccessService } from '../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { ClinicService, PolicyService, RelationshipService, StaffService } from '../proto/gen/chartwarden/access/v1/administration_pb.js'
import { AuditService } from '../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { ReportService } from '../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { createGrpcClient } from '../services/kernel/grpc/client.ts'

export interface ConnectionOptions {
  /** host:port */
  readonly address: string
  readonly token: string
  /** PEM of the authorities that may sign the service's certificate; undefined: no TLS. */
  readonly tlsAuthorities?: Buffer
  /** Deadline of one call, in milliseconds. */
  readonly timeoutMs: number
}

/** The whole API under one token. */
export const createConnection = ({ address, token, tlsAuthorities, timeoutMs }: ConnectionOptions) => {
  const options = { address, token, ...(tlsAuthorities === undefined ? {} : { tls: { ca: tlsAuthorities } }), timeoutMs }
  const clients = {
    access: createGrpcClient(AccessService, options),
    clinics: createGrpcClient(ClinicService, options),
    staff: createGrpcClient(StaffService, options),
    policy: createGrpcClient(PolicyService, options),
    relationships: createGrpcClient(RelationshipService, options),
    audit: createGrpcClient(AuditService, options),
    reports: createGrpcClient(ReportService, options),
  }
  return {
    ...clients,
    close: (): void => {
      for (const client of Object.values(clients)) client.close()
    },
  }
}

export type Connection = ReturnType<typeof createConnection>
