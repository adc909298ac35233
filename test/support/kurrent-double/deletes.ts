/** The two ways in which a client can end a stream. */
import type { handleUnaryCall } from '@grpc/grpc-js'
import type {
  DeleteReq,
  DeleteResp,
  TombstoneReq,
  TombstoneResp,
} from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js'
import streamsPb from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js'
import type { MayDo } from './access.ts'
import { type EventLog, ofServer } from './event-log.ts'
import { streamName } from './messages.ts'
import { faultOf } from './server-faults.ts'

/** What the server writes into the metadata of a stream that was deleted. */
const endOfTime = '{"$tb":9223372036854775807}'

interface Doors {
  readonly log: EventLog
  readonly mayDo: MayDo
}

/** Hides what there is; the stream may be appended to again. */
export const serveDelete =
  ({ log, mayDo }: Doors): handleUnaryCall<DeleteReq, DeleteResp> =>
  ({ request, metadata }, done) => {
    const name = streamName(request.getOptions()?.getStreamIdentifier())
    if (!mayDo(metadata, 'delete', name)) return done(faultOf({ kind: 'access denied' }))
    log.append(`$$${name}`, 'any', [ofServer('$metadata', endOfTime)])
    done(null, new streamsPb.DeleteResp())
  }

/** Ends it for good. */
export const serveTombstone =
  ({ log, mayDo }: Doors): handleUnaryCall<TombstoneReq, TombstoneResp> =>
  ({ request, metadata }, done) => {
    const name = streamName(request.getOptions()?.getStreamIdentifier())
    if (!mayDo(metadata, 'delete', name)) return done(faultOf({ kind: 'access denied' }))
    log.tombstone(name)
    done(null, new streamsPb.TombstoneResp())
  }
