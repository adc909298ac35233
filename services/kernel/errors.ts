/**
 * The one error catalogue. Every fault that leaves the service has a reason from this table; a reason, once published, never changes
 * its meaning. Messages tell the caller what to do and never carry a secret, a token or an identifier of a person.
 */

/** google.rpc.Code numbers, for the ones the catalogue uses. */
export const grpcCode = {
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const

interface CatalogueRow {
  readonly grpc: number
  readonly http: number
  /** What happened and what the caller should do; shown to the caller as it is. */
  readonly message: string
  /** Whether the same call may succeed later without being changed. */
  readonly retry: boolean
}

const row = (grpc: number, http: number, retry: boolean, message: string): CatalogueRow => ({ grpc, http, retry, message })

export const errorCatalogue = {
  INVALID_ARGUMENT: row(grpcCode.invalidArgument, 400, false, 'The request is not well formed; correct the fields named and call again.'),
  REQUEST_MISMATCH: row(grpcCode.invalidArgument, 409, false, 'This request_id was used for a different request; choose a new one.'),
  TOKEN_MISSING: row(grpcCode.unauthenticated, 401, false, 'No bearer token; send "authorization: Bearer <token>".'),
  TOKEN_REFUSED: row(grpcCode.unauthenticated, 401, false, 'The bearer token was refused; obtain a new one from your identity provider.'),
  TOKEN_EXPIRED: row(grpcCode.unauthenticated, 401, false, 'The bearer token has expired; obtain a new one and call again.'),
  KEYS_UNAVAILABLE: row(grpcCode.unavailable, 503, true, 'The keys that tokens are verified with cannot be fetched; call again shortly.'),
  CLINIC_NOT_ALLOWED: row(grpcCode.permissionDenied, 403, false, 'This token does not reach that clinic, or there is no such clinic.'),
  SCOPE_MISSING: row(grpcCode.permissionDenied, 403, false, 'The token lacks the scope this call needs.'),
  NOT_PERMITTED: row(grpcCode.permissionDenied, 403, false, 'The person named may not do this; the refusal is recorded.'),
  PERSON_REQUIRED: row(grpcCode.invalidArgument, 400, false, 'A token with scope "act" must name a person in on_behalf_of.'),
  PERSON_NOT_ALLOWED: row(grpcCode.permissionDenied, 403, false, 'Only a token with scope "act" may name a person in on_behalf_of.'),
  CLINIC_EXISTS: row(grpcCode.alreadyExists, 409, false, 'A clinic of this identifier is registered already.'),
  SUBJECT_UNKNOWN: row(grpcCode.notFound, 404, false, 'No such person is known in this clinic; enrol the person first.'),
  SUBJECT_EXISTS: row(grpcCode.alreadyExists, 409, false, 'This person is enrolled already.'),
  SUBJECT_FORMER: row(grpcCode.failedPrecondition, 409, false, 'This person was offboarded or barred; use Reinstate.'),
  SUBJECT_NOT_FORMER: row(grpcCode.failedPrecondition, 409, false, 'This person is not a former one; there is nothing to reinstate.'),
  ROLE_UNKNOWN: row(grpcCode.notFound, 404, false, 'No such role is in force in this clinic; define it with PutRole.'),
  ROLE_RESERVED: row(grpcCode.failedPrecondition, 409, false, 'The role "administrator" is reserved and cannot be changed or retired.'),
  ROLE_CYCLE: row(grpcCode.failedPrecondition, 409, false, 'The role would inherit from itself.'),
  GRANT_UNKNOWN: row(grpcCode.notFound, 404, false, 'No such grant is in force.'),
  TOO_MANY_GRANTS: row(
    grpcCode.failedPrecondition,
    409,
    false,
    'This person has 200 grants in force or to come, the most there can be; revoke some, or define one role that has what they give.',
  ),
  SELF_GRANT: row(grpcCode.failedPrecondition, 409, false, 'Granting a role to oneself is refused while another administrator could.'),
  CARE_TEAM_UNKNOWN: row(grpcCode.notFound, 404, false, 'This person is not on the care team of that patient.'),
  SHARE_UNKNOWN: row(grpcCode.notFound, 404, false, 'No such share is in force.'),
  CONSENT_UNKNOWN: row(grpcCode.notFound, 404, false, 'No such consent is in force or to come.'),
  SUBJECT_UNDESCRIBED: row(grpcCode.notFound, 404, false, 'The directory says nothing of this subject.'),
  RESOURCE_UNDESCRIBED: row(grpcCode.notFound, 404, false, 'The directory says nothing of this resource.'),
  EMERGENCY_UNKNOWN: row(grpcCode.notFound, 404, false, 'No such emergency access, or its review is done.'),
  EMERGENCY_OVER: row(grpcCode.failedPrecondition, 409, false, 'This emergency access is over already.'),
  EMERGENCY_OPEN: row(
    grpcCode.failedPrecondition,
    409,
    false,
    'This emergency access is still open; close it, or review it once it is over.',
  ),
  EMERGENCY_DISABLED: row(grpcCode.failedPrecondition, 409, false, 'This clinic has no emergency access; its settings say so.'),
  SELF_REVIEW: row(grpcCode.failedPrecondition, 409, false, 'Nobody reviews an emergency access of their own; somebody else must.'),
  PAGE_OUTDATED: row(grpcCode.failedPrecondition, 409, false, 'The clinic has changed since the first page; start again without a token.'),
  ABOUT_ENTRY_UNKNOWN: row(grpcCode.notFound, 404, false, 'No entry of that id in this ledger concerns this patient.'),
  CONCERN_UNKNOWN: row(
    grpcCode.notFound,
    404,
    false,
    'No such concern of this patient; an answer names the concern itself, never another answer.',
  ),
  ENTRY_UNKNOWN: row(grpcCode.notFound, 404, false, 'No such entry in this ledger.'),
  NOT_PUBLISHED: row(
    grpcCode.unavailable,
    503,
    true,
    'No checkpoint covers this yet; it is published within moments unless the log of this clinic is halted. Call again.',
  ),
  LOG_OFF: row(
    grpcCode.failedPrecondition,
    409,
    false,
    'This installation signs no checkpoints: no signer store is configured. The entry is durable, but nobody else can check it.',
  ),
  TREE_SIZE_UNKNOWN: row(
    grpcCode.invalidArgument,
    400,
    false,
    'No tree of that size is published; ask for one no larger than the checkpoint.',
  ),
  TILE_UNKNOWN: row(
    grpcCode.notFound,
    404,
    false,
    'The published tree has no tile or bundle of that width there; fetch the checkpoint and ask for what its size has.',
  ),
  LOG_DAMAGED: row(
    grpcCode.dataLoss,
    500,
    false,
    'What is stored of this log is not what its signed checkpoint says, so nothing is answered from it; an operator has to look.',
  ),
  WITNESSES_OFF: row(
    grpcCode.failedPrecondition,
    409,
    false,
    'No witnesses are configured here, so none will cosign; ask for a receipt without them.',
  ),
  LEDGER_EXISTS: row(
    grpcCode.alreadyExists,
    409,
    false,
    'This clinic has a ledger here already, and it is not a part of the one to import.',
  ),
  IMPORT_REFUSED: row(
    grpcCode.failedPrecondition,
    409,
    false,
    'What was sent is not the ledger that its head announced; nothing of it is served. Export it again.',
  ),
  FUTURE_EFFECTIVE: row(grpcCode.failedPrecondition, 409, false, 'An offboarding cannot be scheduled yet; call it when it takes effect.'),
  STALE_REQUEST: row(
    grpcCode.failedPrecondition,
    409,
    false,
    'This request was carried out before and its effect no longer holds; use a new request_id.',
  ),
  OVERLOADED: row(grpcCode.resourceExhausted, 429, true, 'The queue is full; wait a second and call again with the same request_id.'),
  QUOTA_EXCEEDED: row(
    grpcCode.resourceExhausted,
    429,
    true,
    'More was asked than the quota of this caller or clinic allows; nothing was done. Call again with the same request_id after the time given.',
  ),
  DEADLINE_EXCEEDED: row(grpcCode.deadlineExceeded, 504, true, 'The deadline passed; call again with the same request_id.'),
  LEDGER_UNAVAILABLE: row(
    grpcCode.unavailable,
    503,
    true,
    'The ledger cannot record now, so nothing is answered; call again with the same request_id.',
  ),
  REPORT_BUILDING: row(
    grpcCode.unavailable,
    503,
    true,
    'What this report is read from is being built; nothing is answered from a part of it. Call again after the time given.',
  ),
  LEDGER_REGRESSED: row(
    grpcCode.unavailable,
    503,
    false,
    'The ledger is behind what was already seen (a lost failover or a restored backup); the clinic is not served until an operator has looked (docs/how-to/mend-a-log.md).',
  ),
  SHUTTING_DOWN: row(grpcCode.unavailable, 503, true, 'The service is stopping; call another replica or again shortly.'),
  PAGE_TOKEN_INVALID: row(grpcCode.invalidArgument, 400, false, 'The page token does not belong to this query; start again without one.'),
  MESSAGE_TOO_LARGE: row(
    grpcCode.resourceExhausted,
    413,
    false,
    'The message is larger than this service takes or sends; ask for less at a time.',
  ),
  ENTRY_TOO_LARGE: row(
    grpcCode.invalidArgument,
    413,
    false,
    'What would be recorded is larger than an entry of the ledger, so nothing was done; name less at a time.',
  ),
  MEDIA_TYPE_UNSUPPORTED: row(
    grpcCode.invalidArgument,
    415,
    false,
    'This content type or encoding is not read here; send application/json in UTF-8, not compressed.',
  ),
  ROUTE_UNKNOWN: row(grpcCode.notFound, 404, false, 'There is nothing at this address.'),
  METHOD_NOT_ALLOWED: row(grpcCode.unimplemented, 405, false, 'This address does not answer this method; use one that Allow names.'),
  EXPECTATION_UNKNOWN: row(
    grpcCode.unimplemented,
    417,
    false,
    'Of expectations only 100-continue is met here; leave the Expect header out.',
  ),
  REQUEST_TIMEOUT: row(grpcCode.deadlineExceeded, 408, true, 'The request did not arrive in time; send it again.'),
  SERVICE_UNREACHABLE: row(grpcCode.unavailable, 503, true, 'The service cannot be reached; check its address and call again.'),
  CALL_CANCELLED: row(grpcCode.cancelled, 499, false, 'The call was cancelled before it was answered.'),
  UNIMPLEMENTED: row(grpcCode.unimplemented, 501, false, 'This call is not offered.'),
  INTERNAL: row(grpcCode.internal, 500, false, 'An internal fault; it is logged under the correlation id of this call.'),
} as const satisfies Record<string, CatalogueRow>

export type ErrorReason = keyof typeof errorCatalogue

/** Keys of ErrorInfo.metadata that the service sends, with what each says. A key, once published, never changes its meaning. */
export const errorMetadata = {
  reason_code: 'Why the person was refused: a reason code of a decision, as in `CheckResponse.reason_code`. With NOT_PERMITTED.',
  needs: 'What the person would have to be permitted: resource type and action, separated by a blank. With NOT_PERMITTED.',
  scope: 'The scope that the token lacks. With SCOPE_MISSING.',
  quota: 'Whose quota it was, `caller` or `clinic`. With QUOTA_EXCEEDED.',
  percent: 'How much of what the report is read from is built, as a whole number. With REPORT_BUILDING.',
  revision: 'The first revision that is not as it should be, decimal. With IMPORT_REFUSED and LEDGER_EXISTS.',
  correlationId: 'Under which the service has logged the call. Always there.',
} as const satisfies Record<string, string>

/** One field of the request that is wrong, as in google.rpc.BadRequest. */
export interface FieldViolation {
  readonly field: string
  readonly description: string
}

export interface ErrorOptions {
  /** Overrides the catalogue's sentence where more can be said; same rules: no secrets, no identifiers of persons. */
  readonly message?: string
  readonly fields?: readonly FieldViolation[]
  /** Becomes ErrorInfo.metadata. */
  readonly metadata?: Readonly<Record<string, string>>
  /** Seconds after which a retry makes sense; becomes RetryInfo and Retry-After. */
  readonly retryAfterSeconds?: number
  /** Goes to the log, never to the caller. */
  readonly cause?: unknown
}

/** The only error class that is thrown on purpose. */
export class ChartwardenError extends Error {
  readonly reason: ErrorReason
  readonly grpc: number
  readonly http: number
  readonly fields: readonly FieldViolation[]
  readonly metadata: Readonly<Record<string, string>>
  readonly retryAfterSeconds: number | undefined

  constructor(reason: ErrorReason, options: ErrorOptions = {}) {
    super(options.message ?? errorCatalogue[reason].message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'ChartwardenError'
    this.reason = reason
    this.grpc = errorCatalogue[reason].grpc
    this.http = errorCatalogue[reason].http
    this.fields = options.fields ?? []
    this.metadata = options.metadata ?? {}
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** INVALID_ARGUMENT naming one field. */
export const invalidField = (field: string, description: string): ChartwardenError =>
  new ChartwardenError('INVALID_ARGUMENT', { message: `${field}: ${description}`, fields: [{ field, description }] })

/** The one funnel: any thrown value becomes a catalogue error; what is unknown is INTERNAL with the cause kept for the log. */
export const toChartwardenError = (thrown: unknown): ChartwardenError =>
  thrown instanceof ChartwardenError ? thrown : new ChartwardenError('INTERNAL', { cause: thrown })
