import type { RecordAccessRequest } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { createFields, maxIdLength, maxTypeLength } from '../../services/access/doors/fields.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import type { FieldNote } from './accesses-of-event.ts'

/** What the service would refuse in the fields that an event fills, found before anything is sent. */
export const accessFaults = (request: RecordAccessRequest): readonly FieldNote[] => {
  const fields = createFields(systemRandomness)
  const { subject, action, resource } = request
  const texts = {
    'action.name': [action?.name ?? '', 1, maxTypeLength],
    'resource.type': [resource?.type ?? '', 1, maxTypeLength],
    'resource.id': [resource?.id ?? '', 1, maxIdLength],
    'resource.patient_id': [resource?.patientId ?? '', 0, maxIdLength],
    source: [request.source, 0, maxIdLength],
  } as const
  for (const [field, [value, min, max]] of Object.entries(texts)) fields.text(field, value, { min, max })
  fields.subject('subject', subject)
  fields.purpose('purpose', request.purpose, { required: false })
  fields.reason('reason', request.reason)
  fields.moment('occurred_at', request.occurredAt)
  try {
    fields.check()
    return []
  } catch (thrown) {
    if (!(thrown instanceof ChartwardenError)) throw thrown
    return thrown.fields.map(({ field, description }) => ({ field, value: '', because: description }))
  }
}
