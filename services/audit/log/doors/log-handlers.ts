import type { AuditService } from '../../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { ChartwardenError } from '../../../kernel/errors.ts'
import type { Handlers } from '../../../kernel/grpc/implement.ts'

/** The part of chartwarden.audit.v1.AuditService that answers from the log alone. */
export type LogHandlers = Pick<
  Handlers<(typeof AuditService)['method']>,
  'getCheckpoint' | 'proveInclusion' | 'proveConsistency' | 'awaitReceipt' | 'checkLedger'
>

const off = (): Promise<never> => Promise.reject(new ChartwardenError('LOG_OFF'))

/** Where nothing is signed. */
export const logOff: LogHandlers = {
  getCheckpoint: off,
  proveInclusion: off,
  proveConsistency: off,
  awaitReceipt: off,
  // biome-ignore lint/correctness/useYield: it refuses
  checkLedger: async function* () {
    throw new ChartwardenError('LOG_OFF')
  },
}
