/** Reads the fields of a request: collects every fault and reports them together, so that a caller mends all at once. */
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import type { Session, Subject, SubjectRef } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { JsonValue } from '../../kernel/canonical-json.ts'
import { isClinicId } from '../../kernel/clinic-id.ts'
import { ChartwardenError, type FieldViolation } from '../../kernel/errors.ts'
import { isUuid, type Randomness } from '../../kernel/ids.ts'
import type { NamedPerson } from '../person.ts'
import { isConfidentiality, isLabelCode, maxLabels } from '../policy/labels.ts'
import { isPurpose } from '../policy/purposes.ts'

/** Years 0001 to 9999, as google.protobuf.Timestamp allows, but nothing before the epoch: no clinic has older records of access. */
const latestMillis = 253_402_300_799_999
export const maxTypeLength = 64
export const maxIdLength = 256
const maxReasonLength = 500
/** What makes two people of one: somebody is barred under a name that only looks like the leaver's. Controls, line ends, direction marks. */
const misleading = /^\s|\s$|[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u

type JsonObject = { readonly [name: string]: JsonValue | undefined }

export interface Fields {
  /** Notes a fault. */
  fault(field: string, description: string): void
  /** Throws INVALID_ARGUMENT naming every fault noted. */
  check(): void
  text(field: string, value: string, limits: { readonly min?: number; readonly max: number }): string
  clinic(field: string, value: string): string
  /** A UUID in lower case; an empty one is replaced by a random one. */
  requestId(field: string, value: string): string
  subject(field: string, value: Subject | SubjectRef | undefined): { readonly type: string; readonly id: string }
  person(field: string, value: SubjectRef | undefined): NamedPerson | undefined
  purpose(field: string, value: string, options: { readonly required: boolean }): string
  reason(field: string, value: string): string
  /** Milliseconds since the epoch; undefined when unset. Finer parts of a second are dropped. */
  moment(field: string, value: Timestamp | undefined): number | undefined
  /** JSON of bounded size; undefined when unset. */
  json(field: string, value: JsonObject | undefined, maxBytes: number): JsonObject | undefined
  /** Properties of a resource as a caller states them: JSON of bounded size, whose labels, if any, are codes. */
  resourceProperties(field: string, value: JsonObject | undefined, maxBytes: number): JsonObject | undefined
  session(field: string, value: Session | undefined): { id: string; issuedAt?: number; method: string } | undefined
}

const isLabels = (value: JsonValue): boolean =>
  Array.isArray(value) && value.length <= maxLabels && value.every((code) => typeof code === 'string' && isLabelCode(code))

/**
 * A reader of fields. `randomness` chooses request ids for callers that send none; `prefix` stands before the names of fields of a message
 * inside another.
 */
export const createFields = (randomness: Randomness, prefix = ''): Fields => {
  const violations: FieldViolation[] = []
  const fields: Fields = {
    fault: (field, description) => void violations.push({ field: `${prefix}${field}`, description }),
    check: () => {
      if (violations.length === 0) return
      const message = violations.map(({ field, description }) => `${field}: ${description}`).join('; ')
      throw new ChartwardenError('INVALID_ARGUMENT', { message, fields: violations })
    },
    text: (field, value, { min = 1, max }) => {
      const length = [...value].length
      if (length < min) fields.fault(field, 'is required')
      else if (length > max) fields.fault(field, `has more than ${max} characters`)
      else if (value.includes('\0')) fields.fault(field, 'holds a NUL character')
      else if (!value.isWellFormed()) fields.fault(field, 'holds half a character (a lone surrogate)')
      return value
    },
    clinic: (field, value) => {
      if (value === '') fields.fault(field, 'is required')
      else if (!isClinicId(value)) fields.fault(field, 'must be 1 to 63 lower-case letters, digits and hyphens')
      return value
    },
    requestId: (field, value) => {
      if (value === '') return randomness.uuid()
      const lower = value.toLowerCase()
      if (!isUuid(lower)) fields.fault(field, 'must be a UUID')
      return lower
    },
    subject: (field, value) => {
      if (value === undefined) {
        fields.fault(field, 'is required')
        return { type: '', id: '' }
      }
      if (misleading.test(value.type)) fields.fault(`${field}.type`, 'has white space at an end or a character that cannot be seen')
      if (misleading.test(value.id)) fields.fault(`${field}.id`, 'has white space at an end or a character that cannot be seen')
      return {
        type: fields.text(`${field}.type`, value.type, { max: maxTypeLength }),
        id: fields.text(`${field}.id`, value.id, { max: maxIdLength }),
      }
    },
    person: (field, value) => {
      if (value === undefined) return undefined
      const subject = fields.subject(field, value)
      const session = fields.session(`${field}.session`, value.session)
      return session === undefined ? subject : { ...subject, session: session.issuedAt === undefined ? {} : { issuedAt: session.issuedAt } }
    },
    purpose: (field, value, { required }) => {
      if (value === '') {
        if (required) fields.fault(field, 'is required: an HL7 v3 PurposeOfUse code such as TREAT')
      } else if (!isPurpose(value)) fields.fault(field, 'is not an HL7 v3 PurposeOfUse code')
      return value
    },
    reason: (field, value) => fields.text(field, value, { min: 0, max: maxReasonLength }),
    moment: (field, value) => {
      if (value === undefined) return undefined
      const millis = Number(value.seconds) * 1000 + Math.trunc(value.nanos / 1_000_000)
      if (value.nanos < 0 || value.nanos > 999_999_999 || !(millis >= 0 && millis <= latestMillis)) {
        fields.fault(field, 'is not a moment between 1970 and 9999')
        return undefined
      }
      return millis
    },
    json: (field, value, maxBytes) => {
      if (value === undefined || Object.keys(value).length === 0) return undefined
      if (Buffer.byteLength(JSON.stringify(value), 'utf8') > maxBytes) fields.fault(field, `is larger than ${maxBytes} bytes as JSON`)
      return value
    },
    resourceProperties: (field, value, maxBytes) => {
      const properties = fields.json(field, value, maxBytes)
      if (properties === undefined) return undefined
      const { confidentiality, sensitivities } = properties
      if (confidentiality !== undefined && !(typeof confidentiality === 'string' && isConfidentiality(confidentiality))) {
        fields.fault(`${field}.confidentiality`, 'must be one of U, L, M, N, R and V')
      }
      if (sensitivities !== undefined && !isLabels(sensitivities)) {
        fields.fault(`${field}.sensitivities`, `must be a list of at most ${maxLabels} codes`)
      }
      return properties
    },
    session: (field, value) => {
      if (value === undefined) return undefined
      const issuedAt = fields.moment(`${field}.issued_at`, value.issuedAt)
      return {
        id: fields.text(`${field}.id`, value.id, { min: 0, max: maxIdLength }),
        ...(issuedAt === undefined ? {} : { issuedAt }),
        method: fields.text(`${field}.method`, value.method, { min: 0, max: maxTypeLength }),
      }
    },
  }
  return fields
}
