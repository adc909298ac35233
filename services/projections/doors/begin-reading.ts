import type { Vault } from '../../audit/vault.ts'
import type { CallContext } from '../../kernel/caller.ts'
import type { Weight } from '../../kernel/clinic-gate.ts'
import type { Clock } from '../../kernel/clock.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Progress } from '../progress.ts'
import type { AuthoriseReading, Reading, ReadingPerson } from '../reading.ts'
import type { People } from '../reports/people.ts'
import type { ReportCall } from '../reports/report-call.ts'
import type { ReportReader } from '../reports/report-reader.ts'
import type { RecordedQuery } from './report-definition.ts'

export interface BeginReadingOptions {
  readonly vault: Vault
  readonly authoriseReading: AuthoriseReading
  readonly reader: ReportReader
  readonly people: People
  readonly progress: Progress
  readonly clock: Clock
  /** How long a stream waits for the read models at most, whatever deadline it names, in milliseconds. */
  readonly defaultDeadlineMs: number
}

/** A query by a caller for a person, as it is recorded and as its page tokens are bound to it. */
export interface Asked {
  readonly name: string
  readonly projections: readonly string[]
  /** Of what is read for it. */
  readonly weight: Weight
  readonly clinic: string
  readonly person: ReadingPerson | undefined
  readonly recorded: RecordedQuery
}

/** `page` and `stream` are recorded; `later page` belongs to a reading recorded before, for which the person is decided anew. */
export type ReadingKind = 'page' | 'later page' | 'stream'

/** A query as the reading of the audit log that it is. */
export const readingOf = ({ name, clinic, person, recorded }: Asked, kind: ReadingKind): Reading => {
  const { filter, subject, patientId, alsoNeeds } = recorded
  return {
    clinic,
    ...(person === undefined ? {} : { onBehalfOf: person }),
    query: name,
    streamed: kind === 'stream',
    ...(subject === undefined ? {} : { subject }),
    ...(patientId === undefined || patientId === '' ? {} : { patientId }),
    ...(alsoNeeds === undefined ? {} : { alsoNeeds }),
    filter,
    continuation: kind === 'later page',
  }
}

/** What a report call begins with: the reading decided and recorded, and the read models that have come as far as it needs. */
export type BeginReading = (
  context: CallContext,
  asked: Asked,
  kind: ReadingKind,
  waitFor: bigint,
) => Promise<{ readonly call: ReportCall /** Of the reading's entry; -1 for a later page. */; readonly revision: bigint }>

/** A first page waits at least until the read models have begun. */
export const createBeginReading = (options: BeginReadingOptions): BeginReading => {
  const { vault, authoriseReading, reader, people, progress, clock, defaultDeadlineMs } = options
  return async (context, asked, kind, waitFor) => {
    const { clinic, projections, weight } = asked
    const { revision } = await authoriseReading(context, readingOf(asked, kind))
    const clinicVault = await vault.clinic(clinic)
    if (clinicVault === undefined) throw new ChartwardenError('CLINIC_NOT_ALLOWED')
    // The deadline of a stream, if any, is meant for all its rows.
    const waitUntil = kind === 'stream' ? Math.min(context.deadline, clock.monotonic() + defaultDeadlineMs) : context.deadline
    if (kind !== 'later page') await progress.waitFor(clinic, waitFor, waitUntil, context.signal)
    const unseal = context.caller.scopes.has('audit.unseal')
    const call = {
      clinic,
      projections: ['identities', ...projections],
      vault: clinicVault,
      // Whatever is read for the call ends with it.
      reader: { read: (of, until, work) => reader.read(of, until, work, { weight, signal: context.signal }) } satisfies ReportReader,
      people,
      unseal,
      deadline: context.deadline,
    }
    return { call, revision }
  }
}
