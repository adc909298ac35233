import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt'
import type { EntryRef, Obligation, SubjectRef } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { printable } from './printable.ts'

/** RFC 3339 in UTC with milliseconds; empty for none. */
export const timeText = (time: Timestamp | undefined): string => (time === undefined ? '' : new Date(timestampMs(time)).toISOString())

/** `type:id`; empty for none. */
export const subjectText = (subject: Pick<SubjectRef, 'type' | 'id'> | undefined): string =>
  subject === undefined ? '' : `${subject.type}:${subject.id}`

/** Where the proof of an answer stands. */
export const entryText = (entry: EntryRef | undefined): string =>
  entry === undefined ? 'no entry' : `entry ${entry.id}, revision ${entry.revision}, ${timeText(entry.time)}`

/** `fields (alerts, next_visit)` */
export const obligationText = (obligation: Obligation): string => {
  const codes = obligation.properties?.['codes']
  const list = Array.isArray(codes) ? codes.map(String) : []
  return printable(list.length === 0 ? obligation.type : `${obligation.type} (${list.join(', ')})`)
}

/** `1 row`, `2 rows`. */
export const count = (number: number | bigint, singular: string, plural = `${singular}s`): string =>
  `${number} ${number === 1 || number === 1n ? singular : plural}`
