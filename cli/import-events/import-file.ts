/** A file of AuditEvents, line by line, as the accesses it reports. */

import { toBinary } from '@bufbuild/protobuf'
import type { RecordAccessRequest } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { RecordAccessRequestSchema } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { accessesOfEvent, type EventAccesses, type EventContext } from './accesses-of-event.ts'
import { type Cases, createCases } from './cases.ts'
import type { EventFile } from './event-file.ts'
import { ndjsonLines } from './ndjson-lines.ts'
import { type ReadEvent, readEvent } from './read-event.ts'
import type { SeenAccesses } from './seen-accesses.ts'
import { actorOf } from './who-and-whom.ts'

export interface EventLine {
  readonly line: number
  readonly bytesRead: number
  readonly id: string
  readonly result: EventAccesses
}

interface RawLine {
  readonly line: number
  readonly bytesRead: number
  readonly read: ReadEvent
}

async function* rawLines(file: EventFile): AsyncGenerator<RawLine, void, undefined> {
  for await (const { line, bytesRead, text, fault } of ndjsonLines(file.handle)) {
    const read: ReadEvent = text === undefined ? { kind: 'unreadable', id: '', field: '', reason: fault ?? '' } : readEvent(text)
    yield { line, bytesRead, read }
  }
}

/** Every case of the file, for a lenient import. */
export const casesOfFile = async (file: EventFile): Promise<Cases> => {
  const cases = createCases()
  for await (const { line, read } of rawLines(file)) {
    if (read.kind !== 'event') continue
    const actor = actorOf(read.event)
    cases.note(line, read.event, actor.kind === 'one' ? actor.who : undefined)
  }
  return cases
}

const contradicted = (requests: readonly RecordAccessRequest[], line: number, seen: SeenAccesses): number | undefined => {
  for (const request of requests) {
    const found = seen.see(request.requestId, toBinary(RecordAccessRequestSchema, request), line)
    if (found.kind === 'contradicts') return found.line
  }
  return undefined
}

export interface EventLinesOptions {
  readonly file: EventFile
  readonly context: Omit<EventContext, 'lenient'>
  /** Undefined: strict. */
  readonly cases: Cases | undefined
  readonly seen: SeenAccesses
}

/** What becomes of each line. An id that stands in the file before with other content is refused: nobody could say which of them holds. */
export async function* eventLines({ file, context, cases, seen }: EventLinesOptions): AsyncGenerator<EventLine, void, undefined> {
  for await (const { line, bytesRead, read } of rawLines(file)) {
    if (read.kind === 'unreadable') {
      const { id, field, reason } = read
      yield { line, bytesRead, id, result: { kind: 'refused', faults: [{ field, value: '', because: reason }] } }
      continue
    }
    const { event, faults } = read
    const lenient = cases === undefined ? undefined : { case: cases.caseOf(line, event) }
    let result = accessesOfEvent(event, faults, { ...context, lenient })
    const before = result.kind === 'accesses' ? contradicted(result.requests, line, seen) : undefined
    if (before !== undefined) {
      result = { kind: 'refused', faults: [{ field: 'id', value: '', because: `stands on line ${before} already, with other content` }] }
    }
    yield { line, bytesRead, id: event.id ?? '', result }
  }
}
