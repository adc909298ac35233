/** Faults of a whole call, as the server words them (RpcExceptions): what is meant stands in the trailers. */
import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js'

export interface CallFault {
  readonly kind: 'not leader' | 'no leader' | 'access denied' | 'stream deleted' | 'timed out' | 'not ready' | 'unknown' | 'cancelled'
  readonly stream?: string
  /** host:port, for `not leader`. */
  readonly leader?: string
}

const words = {
  'not leader': [status.NOT_FOUND, 'Leader info available', 'not-leader'],
  'no leader': [status.UNKNOWN, 'No leader info available in response', undefined],
  'access denied': [status.PERMISSION_DENIED, 'Access Denied', 'access-denied'],
  'stream deleted': [status.FAILED_PRECONDITION, 'Event stream is deleted.', 'stream-deleted'],
  'timed out': [status.ABORTED, 'Operation timed out', undefined],
  'not ready': [status.UNAVAILABLE, 'Server Is Not Ready', undefined],
  unknown: [status.UNKNOWN, 'Unexpected OperationResult', undefined],
  cancelled: [status.CANCELLED, 'The call was cancelled by the server', undefined],
} as const satisfies Record<CallFault['kind'], readonly [status, string, string | undefined]>

export const faultOf = ({ kind, stream, leader }: CallFault): Partial<StatusObject> & ServiceError => {
  const [code, details, exception] = words[kind]
  const metadata = new Metadata()
  if (exception !== undefined) metadata.set('exception', exception)
  if (stream !== undefined) metadata.set('stream-name', stream)
  if (leader !== undefined) {
    const colon = leader.lastIndexOf(':')
    metadata.set('leader-endpoint-host', leader.slice(0, colon))
    metadata.set('leader-endpoint-port', leader.slice(colon + 1))
  }
  return Object.assign(new Error(details), { code, details, metadata })
}
