import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  type CloseRequest,
  CloseRequestSchema,
  type CloseResponseSchema,
  type EmergencyAccessSchema,
  type ListUnreviewedRequest,
  type ListUnreviewedResponseSchema,
  type OpenRequest,
  OpenRequestSchema,
  type OpenResponseSchema,
  ReviewOutcome,
  type ReviewRequest,
  ReviewRequestSchema,
  type ReviewResponseSchema,
} from '../../../proto/gen/chartwarden/access/v1/emergency_pb.js'
import { entryRefOf } from '../../audit/entry-ref.ts'
import type { CallContext } from '../../kernel/caller.ts'
import type { JsonValue } from '../../kernel/canonical-json.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import { isUuid, type Randomness } from '../../kernel/ids.ts'
import type { PageTokens } from '../../kernel/page-tokens.ts'
import { methodRules } from '../../kernel/scopes.ts'
import type { ReviewEmergency } from '../administer/commands.ts'
import type { Administered, Administration } from '../administration.ts'
import type { EmergencyPlace, EmergencyView, ShownEmergency } from '../emergency-view.ts'
import type { EmergencyOpened } from '../events.ts'
import type { NamedPerson } from '../person.ts'
import type { AuthoriseReading } from '../reading.ts'
import { type AdministrativeMethod, administrativeCall, patientIdentity, referenceOf, subjectIdentity } from './administrative-call.ts'
import { timestampOf, timestampOfText } from './answers.ts'
import { createFields, type Fields, maxIdLength } from './fields.ts'
import { pageSize } from './paging.ts'

export interface EmergencyDoorOptions {
  readonly administration: Administration
  readonly authorise: AuthoriseReading
  readonly view: EmergencyView
  readonly pageTokens: PageTokens
  readonly randomness: Randomness
}

const shortestReason = 10

const purposeOf = (fields: Fields, purpose: string): EmergencyOpened['purpose'] => {
  if (purpose === 'ETREAT') return purpose
  if (purpose !== '' && purpose !== 'BTG') fields.fault('purpose', 'must be BTG or ETREAT')
  return 'BTG'
}

const open: AdministrativeMethod<typeof OpenRequestSchema> = {
  schema: OpenRequestSchema,
  operation: 'open_emergency',
  scope: 'emergency.use',
  read: (request, fields) => {
    const subject: NamedPerson = fields.person('subject', request.subject) ?? fields.subject('subject', undefined)
    const { onBehalfOf } = request
    if (onBehalfOf !== undefined && (onBehalfOf.type !== subject.type || onBehalfOf.id !== subject.id)) {
      fields.fault('on_behalf_of', 'must be the person named in subject: nobody opens emergency access for somebody else')
    }
    const patient = patientIdentity(fields.text('patient_id', request.patientId, { max: maxIdLength }))
    const purpose = purposeOf(fields, request.purpose)
    const reason = fields.reason('reason', request.reason)
    if ([...reason.trim()].length < shortestReason) fields.fault('reason', `must say why in at least ${shortestReason} characters`)
    return (vault) => ({
      command: {
        kind: 'open_emergency',
        subject: referenceOf(vault, subject),
        patient: vault.pseudonym(patient),
        purpose,
        minutes: request.minutes,
      },
      identities: [patient, subjectIdentity(subject)],
      person: subject,
      sealed: { under: vault.pseudonym(patient), value: { reason } },
    })
  },
}

const emergencyId = (fields: Fields, value: string): string => {
  const id = value.toLowerCase()
  if (!isUuid(id)) fields.fault('emergency_id', 'must be a UUID')
  return id
}

const close: AdministrativeMethod<typeof CloseRequestSchema> = {
  schema: CloseRequestSchema,
  operation: 'close_emergency',
  scope: 'emergency.use',
  read: (request, fields) => {
    const id = emergencyId(fields, request.emergencyId)
    const reason = fields.reason('reason', request.reason)
    return () => ({
      command: { kind: 'close_emergency', emergencyId: id },
      identities: [],
      ...(reason === '' ? {} : { sealed: { under: 'ofEvent', value: { reason } } }),
    })
  },
}

const outcomes: { readonly [O in ReviewOutcome]?: ReviewEmergency['outcome'] } = {
  [ReviewOutcome.JUSTIFIED]: 'justified',
  [ReviewOutcome.NOT_JUSTIFIED]: 'not_justified',
  [ReviewOutcome.UNCLEAR]: 'unclear',
}

const review: AdministrativeMethod<typeof ReviewRequestSchema> = {
  schema: ReviewRequestSchema,
  operation: 'review_emergency',
  scope: 'emergency.review',
  read: (request, fields) => {
    const id = emergencyId(fields, request.emergencyId)
    const outcome = outcomes[request.outcome]
    if (outcome === undefined) fields.fault('outcome', 'is required: what the review found')
    const note = fields.reason('note', request.note)
    return () => ({
      command: { kind: 'review_emergency', emergencyId: id, outcome: outcome ?? 'unclear' },
      identities: [],
      ...(note === '' ? {} : { sealed: { under: 'ofEvent', value: { note } } }),
    })
  },
}

/** What the entry says of an opening; anything else under its id is damage. */
const openingOf = ({ event }: Administered): EmergencyOpened => {
  if (event.type === 'chartwarden.emergency.opened.v1') return event.data
  throw new ChartwardenError('INTERNAL', { cause: new Error(`an opening expected, ${event.type} found`) })
}

const emergencyMessage = (emergency: ShownEmergency): MessageInitShape<typeof EmergencyAccessSchema> => ({
  emergencyId: emergency.id,
  subject: emergency.subject,
  patientId: emergency.patientId,
  purpose: emergency.purpose,
  reason: emergency.reason,
  from: timestampOf(emergency.from),
  until: timestampOf(emergency.until),
  reviewDue: timestampOf(emergency.reviewDue),
  overdue: emergency.overdue,
})

/** Handlers of chartwarden.access.v1.EmergencyService. */
export const emergencyServiceHandlers = ({ administration, authorise, view, pageTokens, randomness }: EmergencyDoorOptions) => ({
  open: async (request: OpenRequest, context: CallContext): Promise<MessageInitShape<typeof OpenResponseSchema>> => {
    const opened = await administrativeCall(administration, randomness, open, request, context)
    const { until, review_due: reviewDue } = openingOf(opened)
    const { entry, replayed } = opened
    return {
      entry: entryRefOf(entry),
      emergencyId: entry.id,
      until: timestampOfText(until),
      reviewDue: timestampOfText(reviewDue),
      replayed,
    }
  },
  close: async (request: CloseRequest, context: CallContext): Promise<MessageInitShape<typeof CloseResponseSchema>> => {
    const { entry, replayed } = await administrativeCall(administration, randomness, close, request, context)
    return { entry: entryRefOf(entry), replayed }
  },
  review: async (request: ReviewRequest, context: CallContext): Promise<MessageInitShape<typeof ReviewResponseSchema>> => {
    const { entry, replayed } = await administrativeCall(administration, randomness, review, request, context)
    return { entry: entryRefOf(entry), replayed }
  },

  listUnreviewed: async (
    request: ListUnreviewedRequest,
    context: CallContext,
  ): Promise<MessageInitShape<typeof ListUnreviewedResponseSchema>> => {
    const fields = createFields(randomness)
    const clinic = fields.clinic('clinic', request.clinic)
    const onBehalfOf = fields.person('on_behalf_of', request.onBehalfOf)
    const size = pageSize(fields, request.pageSize)
    fields.check()
    const query: JsonValue = {
      query: 'list_unreviewed',
      clinic,
      caller: context.caller.id,
      person: onBehalfOf === undefined ? null : { type: onBehalfOf.type, id: onBehalfOf.id },
    }
    const after = request.pageToken === '' ? undefined : (pageTokens.read(query, request.pageToken) as unknown as EmergencyPlace)
    const { writer } = await authorise(context, {
      clinic,
      ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
      query: 'list_unreviewed',
      scope: 'emergency.review',
      needs: methodRules['chartwarden.access.v1.EmergencyService/ListUnreviewed'].person,
      // Later pages belong to the reading that the first one recorded; the token proves that there was one.
      record: after === undefined ? 'viewing' : 'none',
      streamed: false,
      filter: {},
    })
    const unseal = context.caller.scopes.has('audit.unseal')
    const { emergencies, more, completeTo } = await view.unreviewed(writer, { after, size, unseal })
    const last = emergencies.at(-1)
    return {
      emergencies: emergencies.map(emergencyMessage),
      nextPageToken: more && last !== undefined ? pageTokens.issue(query, { from: last.from, id: last.id }) : '',
      completeToRevision: completeTo,
    }
  },
})
