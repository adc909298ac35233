/** Reads the requests of the report service. What is wrong is collected, so that one answer names every field to correct. */
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { type AccessFilter, AccessKind } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { SubjectRef } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { ClinicVault, Identity, Pseudonym } from '../../audit/vault.ts'
import type { JsonValue } from '../../kernel/canonical-json.ts'
import { ChartwardenError, type FieldViolation } from '../../kernel/errors.ts'
import type { AccessKind as Kind } from '../read-models/access-history.ts'
import type { NamedSubject, ReadingPerson } from '../reading.ts'
import type { AccessFilter as Filter } from '../reports/access-history.ts'

const defaultPageSize = 100
const longestPage = 1_000
const longestList = 100
const longestCode = 64
const longestId = 256

const kinds: ReadonlyMap<AccessKind, Kind> = new Map([
  [AccessKind.AUTHORISED, 'authorised'],
  [AccessKind.PERFORMED, 'performed'],
  [AccessKind.REFUSED, 'refused'],
  [AccessKind.PROBED, 'probed'],
])

/** The filter as the caller spells it, sorted and without repetitions: the same question has one form. */
export interface NamedAccessFilter {
  readonly patientId: string
  readonly subject: NamedSubject | undefined
  readonly resourceTypes: readonly string[]
  readonly actions: readonly string[]
  readonly purposes: readonly string[]
  readonly flags: readonly string[]
  readonly kinds: readonly Kind[]
  /** Microseconds since the epoch. */
  readonly from: bigint | undefined
  readonly until: bigint | undefined
}

/** What every report request has. */
interface CommonRequest {
  readonly clinic: string
  readonly onBehalfOf?: SubjectRef | undefined
}

/** Earliest and latest second of google.protobuf.Timestamp: years 1 to 9999. */
const firstSecond = -62_135_596_800n
const lastSecond = 253_402_300_799n

/** Collects violations while it reads; `finish` throws INVALID_ARGUMENT when there are any. `prefix` stands before the names of fields. */
export const createRequestReader = (prefix = '', violations: FieldViolation[] = []) => {
  const wrong = (field: string, description: string): void => void violations.push({ field: `${prefix}${field}`, description })

  const text = (field: string, value: string, longest: number): string => {
    if ([...value].length > longest) wrong(field, `has at most ${longest} characters`)
    if (value.includes('\0')) wrong(field, 'holds a character that is not allowed')
    return value
  }

  const subject = (field: string, value: SubjectRef | undefined): NamedSubject | undefined => {
    if (value === undefined) return undefined
    if (value.type === '') wrong(`${field}.type`, 'is required with an id')
    if (value.id === '') wrong(`${field}.id`, 'is required with a type')
    return { type: text(`${field}.type`, value.type, longestCode), id: text(`${field}.id`, value.id, longestId) }
  }

  const codes = (field: string, values: readonly string[]): string[] => {
    if (values.length > longestList) wrong(field, `has at most ${longestList} members`)
    if (values.includes('')) wrong(field, 'has an empty member')
    return [...new Set(values.slice(0, longestList).map((value) => text(field, value, longestCode)))].sort()
  }

  const accessKinds = (field: string, values: readonly AccessKind[]): Kind[] => {
    if (values.length === 0) return ['authorised', 'performed', 'refused']
    if (values.some((value) => !kinds.has(value))) wrong(field, 'has a member that is not an access kind')
    return [...kinds].filter(([value]) => values.includes(value)).map(([, kind]) => kind)
  }

  /** Whether an access is disputed is said by concerns, which come later and stand in no row. */
  const flags = (values: readonly string[]): string[] => {
    if (values.includes('disputed')) wrong('flags', 'cannot be "disputed": ask for the concerns')
    return codes('flags', values)
  }

  /** The names of these codes of the contract, each once, in the order of `names`; empty stays empty. */
  const members = <Name extends string, Code extends number>(
    field: string,
    values: readonly Code[],
    names: readonly Name[],
    codeOf: Readonly<Record<Name, Code>>,
  ): Name[] => {
    if (values.some((value) => names.every((name) => codeOf[name] !== value))) wrong(field, 'has a member that cannot be asked for')
    return names.filter((name) => values.includes(codeOf[name]))
  }

  /** Rounded up to whole microseconds, which is how finely times are kept: for `from` and `until` alike the comparison stays exact. */
  const microsecondsOf = (field: string, value: Timestamp | undefined): bigint | undefined => {
    if (value === undefined) return undefined
    if (value.nanos < 0 || value.nanos > 999_999_999 || value.seconds < firstSecond || value.seconds > lastSecond) {
      wrong(field, 'is not a time between the years 1 and 9999')
      return undefined
    }
    return value.seconds * 1_000_000n + BigInt(Math.ceil(value.nanos / 1_000))
  }

  const person = (value: SubjectRef | undefined): ReadingPerson | undefined => {
    const named = subject('on_behalf_of', value)
    const issuedAt = microsecondsOf('on_behalf_of.session.issued_at', value?.session?.issuedAt)
    if (named === undefined || value?.session === undefined) return named
    return { ...named, session: issuedAt === undefined ? {} : { issuedAt: Number(issuedAt / 1_000n) } }
  }

  /** Both ends of a period `[from, until)`, in microseconds since the epoch. */
  const period = (value: { readonly from?: Timestamp | undefined; readonly until?: Timestamp | undefined } | undefined) => {
    const from = microsecondsOf('from', value?.from)
    const until = microsecondsOf('until', value?.until)
    if (from !== undefined && until !== undefined && from >= until) wrong('until', 'must be after from')
    return { from, until }
  }

  return {
    /** The same reader for the members of a field. */
    at: (field: string) => createRequestReader(`${prefix}${field}.`, violations),
    wrong,
    text: (field: string, value: string): string => text(field, value, longestId),
    codes,
    accessKinds,
    members,
    period,
    common: (request: CommonRequest) => {
      if (request.clinic === '') wrong('clinic', 'is required')
      return { clinic: text('clinic', request.clinic, longestCode), person: person(request.onBehalfOf) }
    },
    subject,
    time: microsecondsOf,
    /** 1 to 1,000; 0 means 100. */
    pageSize: (value: number): number => {
      if (value < 0 || value > longestPage) wrong('page_size', `is between 0 and ${longestPage}`)
      return value === 0 ? defaultPageSize : value
    },
    filter: (filter: AccessFilter | undefined): NamedAccessFilter => ({
      patientId: text('patient_id', filter?.patientId ?? '', longestId),
      subject: subject('subject', filter?.subject),
      resourceTypes: codes('resource_types', filter?.resourceTypes ?? []),
      actions: codes('actions', filter?.actions ?? []),
      purposes: codes('purposes', filter?.purposes ?? []),
      flags: flags(filter?.flags ?? []),
      kinds: accessKinds('kinds', filter?.kinds ?? []),
      ...period(filter),
    }),
    /** A later page is complete to where its first page was, which a caller cannot raise. */
    waitWithin: (waitForRevision: bigint, through: bigint): void => {
      if (waitForRevision > through) {
        wrong('wait_for_revision', `the pages of this report are complete to revision ${through}; start again without page_token`)
      }
    },
    finish: (): void => {
      if (violations.length === 0) return
      const message = violations.map(({ field, description }) => `${field}: ${description}`).join('; ')
      throw new ChartwardenError('INVALID_ARGUMENT', { message, fields: violations })
    },
  }
}

export type RequestReader = ReturnType<typeof createRequestReader>

/** Microseconds since the epoch as RFC 3339. */
export const spell = (microseconds: bigint): string => {
  const milliseconds = microseconds >= 0n ? microseconds / 1_000n : (microseconds - 999n) / 1_000n
  const rest = String(microseconds - milliseconds * 1_000n).padStart(3, '0')
  return new Date(Number(milliseconds)).toISOString().replace('Z', `${rest}Z`)
}

/** The filter as JSON: recorded with the reading and bound into page tokens. */
export const filterJson = (filter: NamedAccessFilter): { readonly [name: string]: JsonValue | undefined } => ({
  patient_id: filter.patientId === '' ? undefined : filter.patientId,
  subject: subjectJson(filter.subject),
  resource_types: filter.resourceTypes,
  actions: filter.actions,
  purposes: filter.purposes,
  flags: filter.flags.length === 0 ? undefined : filter.flags,
  kinds: filter.kinds,
  ...periodJson(filter),
})

/** A person as recorded and bound into page tokens. */
export const subjectJson = (subject: NamedSubject | undefined) =>
  subject === undefined ? undefined : { type: subject.type, id: subject.id }

/** Both ends of a period in the same form. */
export const periodJson = ({ from, until }: { readonly from: bigint | undefined; readonly until: bigint | undefined }) => ({
  from: from === undefined ? undefined : spell(from),
  until: until === undefined ? undefined : spell(until),
})

export const patientIdentity = (patientId: string): Identity => ({ kind: 'patient', type: '', id: patientId })

export const subjectIdentity = (subject: NamedSubject): Identity => ({ kind: 'subject', type: subject.type, id: subject.id })

/** The name of calling software that is named as a subject: what it does for nobody is recorded under its own name, and as one of this type. */
export const softwareOf = ({ type, id }: NamedSubject): string | undefined => (type === 'service' ? id : undefined)

/** `subject`, if one is named, in the words of the ledger. */
export const pseudonymOf = (vault: ClinicVault, subject: NamedSubject | undefined): { readonly subject?: Pseudonym } =>
  subject === undefined ? {} : { subject: vault.pseudonym(subjectIdentity(subject)) }

/** `patient`, if one is named, in the words of the ledger. */
export const patientPseudonym = (vault: ClinicVault, patientId: string): { readonly patient?: Pseudonym } =>
  patientId === '' ? {} : { patient: vault.pseudonym(patientIdentity(patientId)) }

/** The same filter in the words of the ledger, which knows nobody by name. */
export const pseudonymous = (vault: ClinicVault, filter: NamedAccessFilter): Filter => ({
  ...patientPseudonym(vault, filter.patientId),
  ...pseudonymOf(vault, filter.subject),
  resourceTypes: filter.resourceTypes,
  actions: filter.actions,
  purposes: filter.purposes,
  flags: filter.flags,
  kinds: filter.kinds,
  ...(filter.from === undefined ? {} : { from: filter.from }),
  ...(filter.until === undefined ? {} : { until: filter.until }),
})
