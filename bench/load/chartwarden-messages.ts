/**
 * Messages of the contract as bytes. A load client that made and read every message in full would take as much processor time as the
 * server it measures; so requests are made before the clock starts, and of an answer only what it comes to is read.
 */
import { create, toBinary } from '@bufbuild/protobuf'
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire'
import { CheckRequestSchema } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { Question } from './questions.ts'

export const checkPath = '/chartwarden.access.v1.AccessService/Check'
export const checkBatchPath = '/chartwarden.access.v1.AccessService/CheckBatch'
export const checkStreamPath = '/chartwarden.access.v1.AccessService/CheckStream'

/** Without a request id, so that each time it is sent it is a new question. */
export const encodeCheck = ({ clinic, person, patient, record }: Question): Uint8Array =>
  toBinary(
    CheckRequestSchema,
    create(CheckRequestSchema, {
      clinic,
      subject: { type: 'staff', id: person },
      action: { name: 'read' },
      resource: { type: 'treatment_record', id: record, patientId: patient },
      purpose: 'TREAT',
    }),
  )

/** CheckBatchRequest { clinic = 1, checks = 2 } */
export const encodeBatch = (clinic: string, checks: readonly Uint8Array[]): Buffer => {
  const writer = new BinaryWriter().tag(1, 2).string(clinic)
  for (const check of checks) writer.tag(2, 2).bytes(check)
  return Buffer.from(writer.finish())
}

/** CheckStreamRequest { seq = 1, check = 2 } */
export const encodeStreamed = (seq: number, check: Uint8Array): Buffer =>
  Buffer.from(new BinaryWriter().tag(1, 0).uint32(seq).tag(2, 2).bytes(check).finish())

const varint = 0

/** Of CheckResponse { decision = 2 } */
export const isPermitResponse = (bytes: Uint8Array): boolean => {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (field === 2 && type === varint) return reader.int32() === Decision.PERMIT
    reader.skip(type)
  }
  return false
}

/** Of CheckResult { response = 1, error = 2 } */
const isPermitResult = (bytes: Uint8Array): boolean => {
  const reader = new BinaryReader(bytes)
  const [field] = reader.tag()
  return field === 1 && isPermitResponse(reader.bytes())
}

/** Permits in a CheckBatchResponse { results = 1 }. */
export const countPermits = (bytes: Uint8Array): number => {
  const reader = new BinaryReader(bytes)
  let permits = 0
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (field !== 1) reader.skip(type)
    else if (isPermitResult(reader.bytes())) permits += 1
  }
  return permits
}

/** Of CheckStreamResponse { seq = 1, result = 2 } */
export const readStreamed = (bytes: Uint8Array): { readonly seq: number; readonly permit: boolean } => {
  const reader = new BinaryReader(bytes)
  let seq = 0
  let permit = false
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (field === 1) seq = Number(reader.uint64())
    else if (field === 2) permit = isPermitResult(reader.bytes())
    else reader.skip(type)
  }
  return { seq, permit }
}
