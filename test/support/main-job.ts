/** What a clinic's software does all day, from the question to the report, and the end of a person's access. */
import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { AccessKind } from '../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { type Clients, hire, readRecord, registerTestClinic, staff } from './clinic.ts'
import { fault } from './fault.ts'

/** For a clinic `north` that does not exist yet. */
export const doMainJob = async (t: Test, clients: Clients): Promise<void> => {
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'anna')

  const question = readRecord('north', 'anna')
  const answer = await clients.access.check(question)
  t.equal(answer.decision, Decision.PERMIT)
  t.equal(answer.reasonCode, 'role_permits')
  t.equal(answer.rule, 'role/dentist#treatment_record.read')
  t.equal(answer.entry?.leafHash.length, 32)

  const again = await clients.access.check(question)
  t.equal(again.replayed, true)
  t.equal(again.entry?.id, answer.entry?.id)
  await t.rejects(clients.access.check({ ...question, purpose: 'COC' }), fault('REQUEST_MISMATCH'))

  const unlisted = await clients.access.check({
    ...readRecord('north', 'anna'),
    resource: { type: 'medical_history', id: 'h', patientId: 'patient-1' },
  })
  t.equal(unlisted.reasonCode, 'obligation_unsupported')
  const fields = await clients.access.check({
    ...readRecord('north', 'anna'),
    resource: { type: 'medical_history', id: 'h', patientId: 'patient-1' },
    supportedObligations: ['fields'],
  })
  t.equal(fields.decision, Decision.PERMIT)
  t.same(
    fields.obligations.map(({ type, properties }) => ({ type, properties })),
    [{ type: 'fields', properties: { codes: ['alerts'] } }],
  )

  const performed = await clients.audit.recordAccess({
    requestId: randomUUID(),
    clinic: 'north',
    subject: staff('anna'),
    action: { name: 'read' },
    resource: { type: 'treatment_record', id: 'record-1', patientId: 'patient-1' },
    reason: 'emergency on Sunday',
    decisionEntryId: answer.entry?.id ?? '',
  })
  await clients.access.check(readRecord('north', 'anna', { probe: true }))

  const ended = await clients.people.offboard({ requestId: randomUUID(), clinic: 'north', subject: staff('anna'), reason: 'moved away' })
  t.equal(ended.grantsEnded, 1)
  t.equal(ended.unknownSubject, false)
  const after = await clients.access.check(readRecord('north', 'anna'))
  t.equal(after.reasonCode, 'offboarded')
  const stale = await clients.access.check(question)
  t.equal(stale.reasonCode, 'stale_request', 'an old permit cannot be replayed')
  t.equal((await clients.access.check(question)).entry?.id, stale.entry?.id, 'and its refusal is one entry')

  const wait = { waitForRevision: stale.entry?.revision ?? 0n }
  const history = await clients.reports.accessHistory({ clinic: 'north', filter: { patientId: 'patient-1' }, ...wait })
  t.ok(history.completeToRevision >= (stale.entry?.revision ?? 0n))
  t.same(
    history.rows.map((row) => [AccessKind[row.kind], row.reasonCode, row.subject?.id, row.flags.join()]),
    [
      ['REFUSED', 'stale_request', 'anna', 'after_exit'],
      ['REFUSED', 'offboarded', 'anna', 'after_exit'],
      ['PERFORMED', '', 'anna', 'purpose_unstated'],
      ['AUTHORISED', 'role_permits', 'anna', ''],
      ['REFUSED', 'obligation_unsupported', 'anna', ''],
      ['AUTHORISED', 'role_permits', 'anna', ''],
    ],
  )
  t.equal(history.rows[2]?.reason, 'emergency on Sunday')
  t.equal(history.rows[2]?.entry?.revision, performed.entry?.revision)
  const left = await clients.reports.offboardings({ clinic: 'north' })
  t.equal(left.offboardings[0]?.subject?.id, 'anna')
  t.equal(left.offboardings[0]?.attemptsAfterExit, 2n)
  t.equal(left.offboardings[0]?.grantsEnded[0]?.role, 'dentist')
  const grants = await clients.reports.roleGrants({ clinic: 'north' })
  t.same(
    grants.grants.map(({ subject, role }) => [subject?.id, role]),
    [['boss', 'administrator']],
  )
  const shown = await clients.people.getStaff({ clinic: 'north', subject: staff('anna') })
  t.equal(shown.staff?.grants.length, 0)
}
