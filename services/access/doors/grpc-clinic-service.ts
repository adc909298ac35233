import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  type ClinicSchema,
  type ListClinicsRequest,
  type ListClinicsResponseSchema,
  type RegisterClinicRequest,
  RegisterClinicRequestSchema,
  type RegisterClinicResponseSchema,
} from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { entryRefOf } from '../../audit/entry-ref.ts'
import type { Ledger } from '../../audit/ledger.ts'
import type { CallContext } from '../../kernel/caller.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Randomness } from '../../kernel/ids.ts'
import type { ClinicWriters } from '../clinic-writer.ts'
import type { RegisterClinic } from '../register-clinic.ts'
import { createFields } from './fields.ts'
import { requestForm } from './form.ts'
import { pageSize, pageToken, readPageToken } from './paging.ts'

export interface ClinicDoorOptions {
  readonly registerClinic: RegisterClinic
  readonly writers: ClinicWriters
  readonly ledger: Ledger
  readonly randomness: Randomness
}

/** Handlers of chartwarden.access.v1.ClinicService. */
export const clinicServiceHandlers = ({ registerClinic, writers, ledger, randomness }: ClinicDoorOptions) => ({
  registerClinic: async (
    request: RegisterClinicRequest,
    context: CallContext,
  ): Promise<MessageInitShape<typeof RegisterClinicResponseSchema>> => {
    const fields = createFields(randomness)
    const registration = {
      requestId: fields.requestId('request_id', request.requestId),
      clinic: fields.clinic('clinic', request.clinic),
      title: fields.text('title', request.title, { max: 200 }),
      timeZone: fields.text('time_zone', request.timeZone, { max: 64 }),
      administrator: fields.subject('administrator', request.administrator),
    }
    fields.check()
    const { entry, replayed } = await registerClinic(context, { ...registration, form: requestForm(RegisterClinicRequestSchema, request) })
    return { entry: entryRefOf(entry), replayed }
  },

  /** The clinics that the token names and that are registered. */
  listClinics: async (request: ListClinicsRequest, context: CallContext): Promise<MessageInitShape<typeof ListClinicsResponseSchema>> => {
    const fields = createFields(randomness)
    const size = pageSize(fields, request.pageSize)
    const after = readPageToken(fields, request.pageToken, 1)?.[0] ?? ''
    fields.check()
    const clinics: MessageInitShape<typeof ClinicSchema>[] = []
    let more = false
    for (const clinic of [...context.caller.clinics].filter((name) => name > after).sort()) {
      if (clinics.length === size) {
        more = true
        break
      }
      const head = await ledger.head(clinic)
      if (head === undefined) continue
      try {
        const writer = await writers.open(clinic)
        try {
          await writer.refresh()
        } catch (thrown) {
          // A clinic that is not served is there all the same, and hides no other.
          if (!(thrown instanceof ChartwardenError && thrown.reason === 'LEDGER_REGRESSED')) throw thrown
        }
        const registered = writer.state.clinic
        clinics.push({ clinic, title: registered?.title ?? '', timeZone: registered?.timeZone ?? '', headRevision: head.revision })
      } catch (thrown) {
        if (!(thrown instanceof ChartwardenError && thrown.reason === 'CLINIC_NOT_ALLOWED')) throw thrown
      }
    }
    return { clinics, nextPageToken: more ? pageToken([clinics.at(-1)?.clinic ?? '']) : '' }
  },
})
