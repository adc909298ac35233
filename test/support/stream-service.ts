import { AuditService } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { type Handler, implement, type ServiceImplementation } from '../../services/kernel/grpc/implement.ts'

const refuse = (): Promise<never> => Promise.reject(new ChartwardenError('UNIMPLEMENTED'))

/** A service with one server stream that a test chooses. */
export const streamService = (readEntries: Handler<(typeof AuditService)['method']['readEntries']>): ServiceImplementation =>
  implement(AuditService, {
    recordAccess: refuse,
    recordAccessBatch: refuse,
    getEntry: refuse,
    recordDisclosure: refuse,
    recordConcern: refuse,
    readEntries,
  })

/** Resolves when the signal aborts. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
