import { ChartwardenError, type ErrorReason, type FieldViolation, invalidField } from '../errors.ts'

/** Fastify's own refusals, by code. */
const reasons: Partial<Record<string, ErrorReason>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'MEDIA_TYPE_UNSUPPORTED',
  FST_ERR_CTP_BODY_TOO_LARGE: 'MESSAGE_TOO_LARGE',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'INVALID_ARGUMENT',
  FST_ERR_CTP_INVALID_JSON_BODY: 'INVALID_ARGUMENT',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'INVALID_ARGUMENT',
  FST_ERR_BAD_URL: 'INVALID_ARGUMENT',
  FST_ERR_MAX_PARAM_LENGTH: 'INVALID_ARGUMENT',
  FST_ERR_ASYNC_CONSTRAINT: 'ROUTE_UNKNOWN',
  FST_ERR_HANDLER_TIMEOUT: 'DEADLINE_EXCEEDED',
  FST_JWT_NO_AUTHORIZATION_IN_HEADER: 'TOKEN_MISSING',
}

interface FastifyFailure {
  readonly code?: unknown
  readonly statusCode?: unknown
  readonly validationContext?: string
  readonly validation?: readonly {
    readonly instancePath: string
    readonly message?: string
    readonly params: Readonly<Record<string, unknown>>
  }[]
}

/** Ajv's findings as fields: `subject.id`, or the name of the member that is missing or not known. */
const violations = (failure: FastifyFailure): readonly FieldViolation[] =>
  (failure.validation ?? []).map(({ instancePath, message, params }) => {
    const path = instancePath.split('/').slice(1)
    const member = params['missingProperty'] ?? params['additionalProperty']
    return {
      field: [...path, ...(typeof member === 'string' ? [member] : [])].join('.') || (failure.validationContext ?? 'body'),
      description: message ?? 'is not valid',
    }
  })

/** Whatever a request ended with as an error of the catalogue; what is unknown is INTERNAL with its cause kept for the log. */
export const toHttpError = (thrown: unknown): ChartwardenError => {
  if (thrown instanceof ChartwardenError) return thrown
  const failure = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as FastifyFailure
  const fields = violations(failure)
  if (fields.length === 1 && fields[0] !== undefined) return invalidField(fields[0].field, fields[0].description)
  if (fields.length > 0) return new ChartwardenError('INVALID_ARGUMENT', { fields })
  const code = typeof failure.code === 'string' ? failure.code : ''
  const reason = reasons[code]
  if (reason !== undefined) return new ChartwardenError(reason, { cause: thrown })
  // What @fastify/jwt itself finds wrong with a token.
  if (/^FA?ST_JWT_/.test(code)) return new ChartwardenError('TOKEN_REFUSED', { cause: thrown })
  // The parser of bodies refuses "__proto__" members and malformed JSON with a bare 400.
  if (failure.statusCode === 400)
    return new ChartwardenError('INVALID_ARGUMENT', { message: 'The body is not JSON that is read here.', cause: thrown })
  return new ChartwardenError('INTERNAL', { cause: thrown })
}
