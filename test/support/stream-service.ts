import { AuditService } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { type Handler, type Handlers, implement, type ServiceImplementation } from '../../services/kernel/grpc/implement.ts'

const refuse = (): Promise<never> => Promise.reject(new ChartwardenError('UNIMPLEMENTED'))

// biome-ignore lint/correctness/useYield: it refuses
const refuseStream = async function* (): AsyncGenerator<never> {
  throw new ChartwardenError('UNIMPLEMENTED')
}

/** An audit service that offers nothing. */
export const refusingAudit: Handlers<(typeof AuditService)['method']> = {
  recordAccess: refuse,
  recordAccessBatch: refuse,
  recordDisclosure: refuse,
  recordConcern: refuse,
  getEntry: refuse,
  readEntries: refuseStream,
  getCheckpoint: refuse,
  proveInclusion: refuse,
  proveConsistency: refuse,
  awaitReceipt: refuse,
  rotateLogKey: refuse,
  checkLedger: refuseStream,
  exportEntries: refuseStream,
  importLedger: refuseStream,
}

/** A service with one server stream that a test chooses. */
export const streamService = (readEntries: Handler<(typeof AuditService)['method']['readEntries']>): ServiceImplementation =>
  implement(AuditService, { ...refusingAudit, readEntries })

/** Resolves when the signal aborts. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
