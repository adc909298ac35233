import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { type EntryRef, EntryRefSchema } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { entryTime } from './entry.ts'
import type { StoredEntry } from './ledger.ts'
import { leafHash } from './log/tree-hash.ts'

/** What a caller is told of an entry. */
export const entryRefOf = (entry: StoredEntry): EntryRef =>
  create(EntryRefSchema, {
    id: entry.id,
    revision: entry.revision,
    time: timestampFromMs(Date.parse(entryTime(entry.bytes))),
    leafHash: leafHash(entry.bytes),
  })
