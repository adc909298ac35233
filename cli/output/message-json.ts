import { type DescMessage, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf'

/** A message as protobuf JSON under the contract's own field names; fields that are empty are there, 64-bit numbers are strings. */
export const messageJson = <Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>): JsonValue =>
  toJson(schema, message, { useProtoFieldName: true, alwaysEmitImplicit: true })
