/** Between the stubs that the client ships and the double's own words. */
import { create, toBinary } from '@bufbuild/protobuf'
import sharedPb from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/shared_pb.js'
import statusPb from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/status_pb.js'
import type { AppendReq, BatchAppendReq, ReadReq } from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js'
import streamsPb from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js'
import { StatusSchema } from '../../../proto/gen/google/rpc/status_pb.js'
import type { ExpectedState, ProposedEvent, RecordedEvent } from './event-log.ts'

type Identifier = InstanceType<typeof sharedPb.StreamIdentifier>
type Uuid = InstanceType<typeof sharedPb.UUID>
type Status = InstanceType<typeof statusPb.Status>

const { ReadResp } = streamsPb

export const streamName = (identifier: Identifier | undefined): string =>
  Buffer.from(identifier?.getStreamName_asU8() ?? new Uint8Array()).toString('utf8')

export const identifierOf = (name: string): Identifier => new sharedPb.StreamIdentifier().setStreamName(Buffer.from(name, 'utf8'))

const wordOf = (bits: string): string => BigInt.asUintN(64, BigInt(bits)).toString(16).padStart(16, '0')

export const uuidText = (uuid: Uuid | undefined): string => {
  const structured = uuid?.getStructured()
  if (structured === undefined) return (uuid?.getString() ?? '').toLowerCase()
  const hex = wordOf(structured.getMostSignificantBits()) + wordOf(structured.getLeastSignificantBits())
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

const signed = (hex: string): string => BigInt.asIntN(64, BigInt(`0x${hex}`)).toString()

/** The native half of the client asks for the structured form. */
const uuidOf = (id: string, structured: boolean): Uuid => {
  if (!structured) return new sharedPb.UUID().setString(id)
  const hex = id.replaceAll('-', '')
  const halves = new sharedPb.UUID.Structured()
    .setMostSignificantBits(signed(hex.slice(0, 16)))
    .setLeastSignificantBits(signed(hex.slice(16)))
  return new sharedPb.UUID().setStructured(halves)
}

export const proposed = (message: BatchAppendReq.ProposedMessage | AppendReq.ProposedMessage): ProposedEvent => ({
  id: uuidText(message.getId()),
  type: message.getMetadataMap().get('type') ?? '',
  contentType: message.getMetadataMap().get('content-type') ?? '',
  data: message.getData_asU8(),
  customMetadata: message.getCustomMetadata_asU8(),
})

export const expectedOf = (options: BatchAppendReq.Options | AppendReq.Options): ExpectedState => {
  if (options.hasNoStream()) return 'no_stream'
  if (options.hasStreamExists()) return 'stream_exists'
  if (options.hasAny()) return 'any'
  return BigInt('getStreamPosition' in options ? options.getStreamPosition() : options.getRevision())
}

/** An event as a reader is given it. */
export const readEvent = (event: RecordedEvent, uuid: ReadReq.Options.UUIDOption | undefined): InstanceType<typeof ReadResp> => {
  const position = event.position.toString()
  const recorded = new ReadResp.ReadEvent.RecordedEvent()
    .setId(uuidOf(event.id, uuid?.hasString() !== true))
    .setStreamIdentifier(identifierOf(event.stream))
    .setStreamRevision(event.revision.toString())
    .setCommitPosition(position)
    .setPreparePosition(position)
    .setData(event.data)
    .setCustomMetadata(event.customMetadata)
  recorded.getMetadataMap().set('type', event.type).set('content-type', event.contentType).set('created', event.created.toString())
  return new ReadResp().setEvent(new ReadResp.ReadEvent().setEvent(recorded).setCommitPosition(position))
}

/** Why an append was not stored, or why it is not known whether it was, as the server says it inside its answer. */
export type AppendRefusal = 'AccessDenied' | 'Timeout' | 'Unknown' | 'StreamDeleted' | 'not ready'

const status = (message: string, type: string, value: Uint8Array): Status =>
  statusPb.Status.deserializeBinary(
    toBinary(StatusSchema, create(StatusSchema, { message, details: [{ typeUrl: `type.googleapis.com/${type}`, value }] })),
  )

export const refusalStatus = (refusal: AppendRefusal, stream: string): Status => {
  if (refusal === 'not ready') return status('Server Is Not Ready', 'google.protobuf.Empty', new Uint8Array())
  const value =
    refusal === 'StreamDeleted' ? new sharedPb.StreamDeleted().setStreamIdentifier(identifierOf(stream)) : new sharedPb[refusal]()
  return status(refusal, `event_store.client.${refusal}`, value.serializeBinary())
}

export const wrongVersionStatus = (current: bigint | undefined, expected: ExpectedState): Status => {
  const empty = new sharedPb.Empty()
  const details = new sharedPb.WrongExpectedVersion()
  if (current === undefined) details.setCurrentNoStream(empty)
  else details.setCurrentStreamRevision(current.toString())
  if (typeof expected === 'bigint') details.setExpectedStreamPosition(expected.toString())
  else if (expected === 'no_stream') details.setExpectedNoStream(empty)
  else if (expected === 'stream_exists') details.setExpectedStreamExists(empty)
  else details.setExpectedAny(empty)
  return status('WrongExpectedVersion', 'event_store.client.WrongExpectedVersion', details.serializeBinary())
}
