import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { ChartwardenError } from '../errors.ts'
import { asBuffer } from './method-definitions.ts'

/** What clients of every language take unless told otherwise, in bytes. */
const maxAnswerBytes = 4_194_304

/** Throws MESSAGE_TOO_LARGE for an answer that clients would refuse. */
export const encodeAnswer = (schema: DescMessage, answer: MessageInitShape<DescMessage>): Buffer => {
  const bytes = asBuffer(toBinary(schema, create(schema, answer)))
  if (bytes.length > maxAnswerBytes) throw new ChartwardenError('MESSAGE_TOO_LARGE')
  return bytes
}
