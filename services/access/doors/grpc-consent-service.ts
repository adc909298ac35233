import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  ConsentDecision,
  type ConsentSchema,
  type ListConsentsRequest,
  type ListConsentsResponseSchema,
  type RecordConsentRequest,
  RecordConsentRequestSchema,
  type RecordConsentResponseSchema,
  type WithdrawConsentRequest,
  WithdrawConsentRequestSchema,
  type WithdrawConsentResponseSchema,
} from '../../../proto/gen/chartwarden/access/v1/consent_pb.js'
import { entryRefOf } from '../../audit/entry-ref.ts'
import type { Identities } from '../../audit/identities.ts'
import type { CallContext } from '../../kernel/caller.ts'
import { isUuid, type Randomness } from '../../kernel/ids.ts'
import type { Administration } from '../administration.ts'
import type { AuthoriseReading } from '../reading.ts'
import { shownPatient, shownSubject } from '../shown.ts'
import { isNotOver } from '../state/period.ts'
import { type AdministrativeMethod, administrativeCall, patientIdentity, referenceOf, subjectIdentity } from './administrative-call.ts'
import { timestampOf } from './answers.ts'
import { createFields, maxIdLength } from './fields.ts'

export interface ConsentDoorOptions {
  readonly administration: Administration
  readonly authorise: AuthoriseReading
  readonly identities: Identities
  readonly randomness: Randomness
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
}

const recordConsent: AdministrativeMethod<typeof RecordConsentRequestSchema> = {
  schema: RecordConsentRequestSchema,
  operation: 'record_consent',
  scope: 'consent.write',
  read: (request, fields) => {
    const { consent } = request
    if (consent === undefined) fields.fault('consent', 'is required')
    if (consent !== undefined && consent.consentId !== '') {
      fields.fault('consent.consent_id', 'must be empty: the identifier is that of the entry')
    }
    const patient = patientIdentity(fields.text('consent.patient_id', consent?.patientId ?? '', { max: maxIdLength }))
    const recipient = consent?.recipient === undefined ? undefined : fields.subject('consent.recipient', consent.recipient)
    const decided = consent?.decision
    if (decided !== ConsentDecision.PERMIT && decided !== ConsentDecision.DENY) {
      fields.fault('consent.decision', 'must be permit or deny')
    }
    const from = fields.moment('consent.from', consent?.from)
    const until = fields.moment('consent.until', consent?.until)
    const reason = fields.reason('reason', request.reason)
    return (vault) => {
      const pseudonym = vault.pseudonym(patient)
      return {
        command: {
          kind: 'record_consent',
          patient: pseudonym,
          ...(recipient === undefined ? {} : { recipient: referenceOf(vault, recipient) }),
          resourceTypes: consent?.resourceTypes ?? [],
          purposes: consent?.purposes ?? [],
          decision: decided === ConsentDecision.PERMIT ? 'permit' : 'deny',
          ...(from === undefined ? {} : { from }),
          ...(until === undefined ? {} : { until }),
        },
        identities: [patient, ...(recipient === undefined ? [] : [subjectIdentity(recipient)])],
        ...(reason === '' ? {} : { sealed: { under: pseudonym, value: { reason } } }),
      }
    }
  },
}

const withdrawConsent: AdministrativeMethod<typeof WithdrawConsentRequestSchema> = {
  schema: WithdrawConsentRequestSchema,
  operation: 'withdraw_consent',
  scope: 'consent.write',
  read: (request, fields) => {
    const consentId = request.consentId.toLowerCase()
    if (!isUuid(consentId)) fields.fault('consent_id', 'must be a UUID')
    const reason = fields.reason('reason', request.reason)
    return () => ({
      command: { kind: 'withdraw_consent', consentId },
      identities: [],
      ...(reason === '' ? {} : { sealed: { under: 'ofEvent', value: { reason } } }),
    })
  },
}

/** Handlers of chartwarden.access.v1.ConsentService. */
export const consentServiceHandlers = ({ administration, authorise, identities, randomness, now }: ConsentDoorOptions) => ({
  recordConsent: async (
    request: RecordConsentRequest,
    context: CallContext,
  ): Promise<MessageInitShape<typeof RecordConsentResponseSchema>> => {
    const { entry, replayed, notes } = await administrativeCall(administration, randomness, recordConsent, request, context)
    return { entry: entryRefOf(entry), consentId: entry.id, replayed, notes: [...notes] }
  },
  withdrawConsent: async (
    request: WithdrawConsentRequest,
    context: CallContext,
  ): Promise<MessageInitShape<typeof WithdrawConsentResponseSchema>> => {
    const { entry, replayed } = await administrativeCall(administration, randomness, withdrawConsent, request, context)
    return { entry: entryRefOf(entry), replayed }
  },
  listConsents: async (
    request: ListConsentsRequest,
    context: CallContext,
  ): Promise<MessageInitShape<typeof ListConsentsResponseSchema>> => {
    const fields = createFields(randomness)
    const clinic = fields.clinic('clinic', request.clinic)
    const onBehalfOf = fields.person('on_behalf_of', request.onBehalfOf)
    const patientId = fields.text('patient_id', request.patientId, { max: maxIdLength })
    fields.check()
    const { writer } = await authorise(context, {
      clinic,
      ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
      query: 'list_consents',
      scope: 'consent.read',
      needs: { resourceType: 'consent', action: 'read' },
      record: 'viewing',
      streamed: false,
      patientId,
      filter: { patient_id: patientId },
    })
    const { vault, state } = writer
    const completeToRevision = state.revision
    const patient = vault.pseudonym(patientIdentity(patientId))
    const time = now()
    const consents = (state.consents.byPatient.get(patient) ?? []).filter((consent) => isNotOver(consent, time))
    const resolved = await identities.resolve(clinic, vault, [
      patient,
      ...consents.flatMap(({ recipient }) => (recipient === undefined ? [] : [recipient.pseudonym])),
    ])
    return {
      consents: consents.map(
        ({ id, recipient, resourceTypes, purposes, decision, from, until }): MessageInitShape<typeof ConsentSchema> => ({
          consentId: id,
          patientId: shownPatient(patient, resolved),
          ...(recipient === undefined ? {} : { recipient: shownSubject(recipient, resolved) }),
          resourceTypes: [...(resourceTypes ?? [])],
          purposes: [...purposes],
          decision: decision === 'permit' ? ConsentDecision.PERMIT : ConsentDecision.DENY,
          ...(from === undefined ? {} : { from: timestampOf(from) }),
          ...(until === undefined ? {} : { until: timestampOf(until) }),
        }),
      ),
      completeToRevision,
    }
  },
})
