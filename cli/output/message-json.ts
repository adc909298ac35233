import { type DescMessage, type JsonObject, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf'

/** A message as protobuf JSON under the contract's own field names; fields that are empty are there, 64-bit numbers are strings. */
export const messageJson = <Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>): JsonValue =>
  toJson(schema, message, { useProtoFieldName: true, alwaysEmitImplicit: true })

/** The same where members are added to it; no message of the contract is anything but an object. */
export const messageObject = <Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>): JsonObject =>
  messageJson(schema, message) as JsonObject
