/** Cerbos's CheckResources over gRPC as bytes (cerbos/request/v1/request.proto and response.proto of 0.51). */
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire'

export const checkResourcesPath = '/cerbos.svc.v1.CerbosService/CheckResources'

export interface ResourceQuestion {
  readonly person: string
  readonly records: readonly string[]
}

/** CheckResourcesRequest { request_id = 1, principal = 3 { id = 1, roles = 3 }, resources = 4 { actions = 1, resource = 2 { kind = 1, id = 3 } } } */
export const encodeCheckResources = ({ person, records }: ResourceQuestion): Buffer => {
  const writer = new BinaryWriter().tag(1, 2).string('r1')
  writer.tag(3, 2).fork().tag(1, 2).string(person).tag(3, 2).string('user').join()
  for (const record of records) {
    writer.tag(4, 2).fork().tag(1, 2).string('read')
    writer.tag(2, 2).fork().tag(1, 2).string('record').tag(3, 2).string(record).join()
    writer.join()
  }
  return Buffer.from(writer.finish())
}

/** cerbos.effect.v1.EFFECT_ALLOW */
const allow = 1

/** Of an entry of the map `actions`: { key = 1, value = 2 } */
const isAllowed = (bytes: Uint8Array): boolean => {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (field === 2) return reader.int32() === allow
    reader.skip(type)
  }
  return false
}

/** Of ResultEntry { actions = 2 } */
const allowsAction = (bytes: Uint8Array): boolean => {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (field === 2) return isAllowed(reader.bytes())
    reader.skip(type)
  }
  return false
}

/** Allowed resources of a CheckResourcesResponse { results = 2 }. */
export const countAllowed = (bytes: Uint8Array): number => {
  const reader = new BinaryReader(bytes)
  let allowed = 0
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (field !== 2) reader.skip(type)
    else if (allowsAction(reader.bytes())) allowed += 1
  }
  return allowed
}
