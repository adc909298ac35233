import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  type EnrolStaffRequest,
  EnrolStaffRequestSchema,
  type EnrolStaffResponseSchema,
  type GetStaffRequest,
  type GetStaffResponseSchema,
  type GrantRoleRequest,
  GrantRoleRequestSchema,
  type GrantRoleResponseSchema,
  type ListStaffRequest,
  type ListStaffResponseSchema,
  type OffboardRequest,
  OffboardRequestSchema,
  type OffboardResponseSchema,
  type ReinstateRequest,
  ReinstateRequestSchema,
  type ReinstateResponseSchema,
  type RevokeRoleRequest,
  RevokeRoleRequestSchema,
  type RevokeRoleResponseSchema,
  type StaffSchema,
  StaffStatus,
  type UpdateStaffRequest,
  UpdateStaffRequestSchema,
  type UpdateStaffResponseSchema,
} from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import type { SubjectRef } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import { entryRefOf } from '../../audit/entry-ref.ts'
import type { ClinicVault } from '../../audit/vault.ts'
import type { CallContext } from '../../kernel/caller.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import { isUuid, type Randomness } from '../../kernel/ids.ts'
import type { Administered, Administration, Prepared } from '../administration.ts'
import type { StaffOffboarded } from '../events.ts'
import type { Moment, PastStates } from '../past-states.ts'
import type { NamedPerson } from '../person.ts'
import type { AuthoriseReading, ReadingRequest } from '../reading.ts'
import type { ShownStaff, StaffView } from '../staff-view.ts'
import {
  type AdministrativeMethod,
  aboutSubject,
  administrativeCall,
  patientIdentity,
  referenceOf,
  subjectIdentity,
} from './administrative-call.ts'
import { timestampOf } from './answers.ts'
import { createFields, type Fields, maxIdLength, maxTypeLength } from './fields.ts'
import { pageSize, pageToken, readPageToken } from './paging.ts'

export interface StaffDoorOptions {
  readonly administration: Administration
  readonly authorise: AuthoriseReading
  readonly view: StaffView
  readonly past: PastStates
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  readonly randomness: Randomness
}

const maxOrganisations = 64
const staffAccount = { resourceType: 'staff_account', action: 'update' } as const

const readOrganisations = (fields: Fields, organisations: readonly SubjectRef[]) => {
  if (organisations.length > maxOrganisations) fields.fault('member_of', `has more than ${maxOrganisations} items`)
  return organisations.slice(0, maxOrganisations).map((organisation, index) => fields.subject(`member_of[${index}]`, organisation))
}

/** What enrolment says of a person, and an update anew. */
const readPerson =
  (kind: 'enrol_staff' | 'update_staff') =>
  (request: EnrolStaffRequest | UpdateStaffRequest, fields: Fields): ((vault: ClinicVault) => Prepared) => {
    const subject = fields.subject('subject', request.subject)
    const ownPatient = fields.text('own_patient_id', request.ownPatientId, { min: 0, max: maxIdLength })
    const memberOf = readOrganisations(fields, request.memberOf)
    return (vault) => ({
      command: {
        kind,
        subject: referenceOf(vault, subject),
        ...(ownPatient === '' ? {} : { ownPatient: vault.pseudonym(patientIdentity(ownPatient)) }),
        memberOf: memberOf.map((organisation) => referenceOf(vault, organisation)),
      },
      identities: [subjectIdentity(subject), ...memberOf.map(subjectIdentity), ...(ownPatient === '' ? [] : [patientIdentity(ownPatient)])],
    })
  }

const enrolStaff: AdministrativeMethod<typeof EnrolStaffRequestSchema> = {
  schema: EnrolStaffRequestSchema,
  operation: 'enrol_staff',
  scope: 'staff.write',
  read: readPerson('enrol_staff'),
}

const updateStaff: AdministrativeMethod<typeof UpdateStaffRequestSchema> = {
  schema: UpdateStaffRequestSchema,
  operation: 'update_staff',
  scope: 'staff.write',
  read: readPerson('update_staff'),
}

const grantRole: AdministrativeMethod<typeof GrantRoleRequestSchema> = {
  schema: GrantRoleRequestSchema,
  operation: 'grant_role',
  scope: 'staff.write',
  read: (request, fields) => {
    const subject = fields.subject('subject', request.subject)
    const role = fields.text('role', request.role, { max: maxTypeLength })
    const from = fields.moment('from', request.from)
    const until = fields.moment('until', request.until)
    const reason = fields.reason('reason', request.reason)
    return aboutSubject(subject, reason, (reference) => ({
      kind: 'grant_role',
      subject: reference,
      role,
      ...(from === undefined ? {} : { from }),
      ...(until === undefined ? {} : { until }),
    }))
  },
}

const revokeRole: AdministrativeMethod<typeof RevokeRoleRequestSchema> = {
  schema: RevokeRoleRequestSchema,
  operation: 'revoke_role',
  scope: 'staff.write',
  read: (request, fields) => {
    const subject = fields.subject('subject', request.subject)
    const role = fields.text('role', request.role, { min: 0, max: maxTypeLength })
    const grantId = request.grantId.toLowerCase()
    if (grantId !== '' && !isUuid(grantId)) fields.fault('grant_id', 'must be a UUID')
    const reason = fields.reason('reason', request.reason)
    return aboutSubject(subject, reason, (reference) => ({
      kind: 'revoke_role',
      subject: reference,
      ...(role === '' ? {} : { role }),
      ...(grantId === '' ? {} : { grantId }),
    }))
  },
}

const offboard: AdministrativeMethod<typeof OffboardRequestSchema> = {
  schema: OffboardRequestSchema,
  operation: 'offboard',
  scope: 'staff.offboard',
  read: (request, fields) => {
    const subject = fields.subject('subject', request.subject)
    const effective = fields.moment('effective', request.effective)
    const reason = fields.reason('reason', request.reason)
    return aboutSubject(subject, reason, (reference) => ({
      kind: 'offboard',
      subject: reference,
      ...(effective === undefined ? {} : { effective }),
    }))
  },
}

const reinstate: AdministrativeMethod<typeof ReinstateRequestSchema> = {
  schema: ReinstateRequestSchema,
  operation: 'reinstate',
  scope: 'staff.write',
  read: (request, fields) => {
    const subject = fields.subject('subject', request.subject)
    const reason = fields.reason('reason', request.reason)
    const memberOf = readOrganisations(fields, request.memberOf)
    return (vault) => {
      const references = memberOf.map((organisation) => referenceOf(vault, organisation))
      const prepared = aboutSubject(subject, reason, (reference) => ({ kind: 'reinstate', subject: reference, memberOf: references }))(
        vault,
      )
      return { ...prepared, identities: [...prepared.identities, ...memberOf.map(subjectIdentity)] }
    }
  },
}

const statuses = { active: StaffStatus.ACTIVE, suspended: StaffStatus.SUSPENDED, offboarded: StaffStatus.OFFBOARDED } as const

const staffMessage = (staff: ShownStaff): MessageInitShape<typeof StaffSchema> => ({
  subject: staff.subject,
  status: statuses[staff.status],
  grants: staff.grants.map(({ grantId, role, from, until, grantor, reason }) => ({
    grantId,
    role,
    ...(from === undefined ? {} : { from: timestampOf(from) }),
    ...(until === undefined ? {} : { until: timestampOf(until) }),
    ...(grantor === undefined ? {} : { grantor }),
    reason,
  })),
  ...(staff.cutOff === undefined ? {} : { cutOff: timestampOf(staff.cutOff) }),
  memberOf: [...staff.memberOf],
  isPatient: staff.isPatient,
})

/** What the entry says of an offboarding; anything else under its id is damage. */
const offboardingOf = ({ event }: Administered): StaffOffboarded => {
  if (event.type === 'chartwarden.staff.offboarded.v1') return event.data
  throw new ChartwardenError('INTERNAL', { cause: new Error(`an offboarding expected, ${event.type} found`) })
}

/** Reading staff is decided for a person named, and that decision is recorded; it is no reading of the audit log. */
const staffReading = (clinic: string, onBehalfOf: NamedPerson | undefined, query: 'get_staff' | 'list_staff'): ReadingRequest => ({
  clinic,
  ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
  query,
  scope: 'staff.read',
  needs: staffAccount,
  record: 'decision',
  streamed: false,
  filter: {},
})

/** Handlers of chartwarden.access.v1.StaffService. */
export const staffServiceHandlers = ({ administration, authorise, view, past, now, randomness }: StaffDoorOptions) => {
  /** Decides whether the reading may take place, and gives the state it is answered on. */
  const begin = async (context: CallContext, reading: ReadingRequest, asOf: number | undefined): Promise<Moment> => {
    await past.check(reading.clinic, asOf)
    const { writer } = await authorise(context, reading)
    return asOf === undefined ? { view: writer, time: now() } : past.at(context, writer, asOf)
  }

  return {
    enrolStaff: async (request: EnrolStaffRequest, context: CallContext): Promise<MessageInitShape<typeof EnrolStaffResponseSchema>> => {
      const { entry, replayed } = await administrativeCall(administration, randomness, enrolStaff, request, context)
      return { entry: entryRefOf(entry), replayed }
    },
    updateStaff: async (request: UpdateStaffRequest, context: CallContext): Promise<MessageInitShape<typeof UpdateStaffResponseSchema>> => {
      const { entry, replayed } = await administrativeCall(administration, randomness, updateStaff, request, context)
      return { entry: entryRefOf(entry), replayed }
    },
    grantRole: async (request: GrantRoleRequest, context: CallContext): Promise<MessageInitShape<typeof GrantRoleResponseSchema>> => {
      const { entry, replayed } = await administrativeCall(administration, randomness, grantRole, request, context)
      return { entry: entryRefOf(entry), grantId: entry.id, replayed }
    },
    revokeRole: async (request: RevokeRoleRequest, context: CallContext): Promise<MessageInitShape<typeof RevokeRoleResponseSchema>> => {
      const { entry, replayed } = await administrativeCall(administration, randomness, revokeRole, request, context)
      return { entry: entryRefOf(entry), replayed }
    },
    offboard: async (request: OffboardRequest, context: CallContext): Promise<MessageInitShape<typeof OffboardResponseSchema>> => {
      const administered = await administrativeCall(administration, randomness, offboard, request, context)
      const { ended, unknown_subject: unknownSubject } = offboardingOf(administered)
      return {
        entry: entryRefOf(administered.entry),
        grantsEnded: ended.grants,
        sharesEnded: ended.shares,
        relationshipsEnded: ended.relationships,
        emergenciesEnded: ended.emergencies ?? 0,
        unknownSubject,
        replayed: administered.replayed,
      }
    },
    reinstate: async (request: ReinstateRequest, context: CallContext): Promise<MessageInitShape<typeof ReinstateResponseSchema>> => {
      const { entry, replayed } = await administrativeCall(administration, randomness, reinstate, request, context)
      return { entry: entryRefOf(entry), replayed }
    },

    getStaff: async (request: GetStaffRequest, context: CallContext): Promise<MessageInitShape<typeof GetStaffResponseSchema>> => {
      const fields = createFields(randomness)
      const clinic = fields.clinic('clinic', request.clinic)
      const onBehalfOf = fields.person('on_behalf_of', request.onBehalfOf)
      const subject = fields.subject('subject', request.subject)
      const asOf = fields.moment('as_of', request.asOf)
      fields.check()
      const moment = await begin(context, staffReading(clinic, onBehalfOf, 'get_staff'), asOf)
      const completeToRevision = moment.view.state.revision
      const staff = await view.one(moment, moment.view.vault.pseudonym(subjectIdentity(subject)), context.caller.scopes.has('audit.unseal'))
      if (staff === undefined) throw new ChartwardenError('SUBJECT_UNKNOWN')
      return { staff: staffMessage(staff), completeToRevision }
    },

    listStaff: async (request: ListStaffRequest, context: CallContext): Promise<MessageInitShape<typeof ListStaffResponseSchema>> => {
      const fields = createFields(randomness)
      const clinic = fields.clinic('clinic', request.clinic)
      const onBehalfOf = fields.person('on_behalf_of', request.onBehalfOf)
      const size = pageSize(fields, request.pageSize)
      const place = readPageToken(fields, request.pageToken, 2)
      const asOf = fields.moment('as_of', request.asOf)
      fields.check()
      const moment = await begin(context, staffReading(clinic, onBehalfOf, 'list_staff'), asOf)
      const completeToRevision = moment.view.state.revision
      const { staff, more } = await view.page(moment, {
        after: place === undefined ? undefined : { type: place[0] as string, id: place[1] as string },
        size,
        includeFormer: request.includeFormer,
        unseal: context.caller.scopes.has('audit.unseal'),
      })
      const last = staff.at(-1)?.subject
      return {
        staff: staff.map(staffMessage),
        nextPageToken: more && last !== undefined ? pageToken([last.type, last.id]) : '',
        completeToRevision,
      }
    },
  }
}
