import type { AuditService } from '../../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import type { Handlers } from '../../../kernel/grpc/implement.ts'

/** The part of chartwarden.audit.v1.AuditService that answers from the log alone. */
export type LogHandlers = Pick<
  Handlers<(typeof AuditService)['method']>,
  'getCheckpoint' | 'proveInclusion' | 'proveConsistency' | 'awaitReceipt' | 'checkLedger'
>
