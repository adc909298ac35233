/**
 * What admission needs to know of a request, from its bytes and without decoding it: refusing a batch must not cost what decoding it does, or a
 * service that has too much to do spends its time on what it refuses.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'

export interface OutlineFields {
  /** Number of the field that names the clinic. */
  readonly clinic: number
  /** Of the one that holds the items of a batch. */
  readonly items: number | undefined
}

export interface Outline {
  /** Empty where the request names none. */
  readonly clinic: string
  /** 0 where the message has no field for them. */
  readonly items: number
}

/**
 * Undefined for bytes that are no message, as decoding will say; what is inside of items is not looked at. Of a field that comes again the last
 * one counts, as it does for whoever decodes (Protocol Buffers encoding, "Last One Wins").
 */
export const outlineOf = (bytes: Uint8Array, fields: OutlineFields): Outline | undefined => {
  const reader = new BinaryReader(bytes)
  let clinic = ''
  let items = 0
  try {
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag()
      if (field === fields.clinic && wireType === WireType.LengthDelimited) {
        clinic = reader.string()
        continue
      }
      if (field === fields.items) items += 1
      reader.skip(wireType, field)
    }
  } catch {
    return undefined
  }
  return reader.pos === reader.len ? { clinic, items } : undefined
}
