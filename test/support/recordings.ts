/** Well-formed requests that record disclosures and concerns. */
import { randomUUID } from 'node:crypto'
import { ConcernKind, ConcernOutcome, DisclosureCategory } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import { staff } from './clinic.ts'

/** The moment as the contract has it. */
export const at = (time: number) => ({ seconds: BigInt(Math.floor(time / 1_000)), nanos: (((time % 1_000) + 1_000) % 1_000) * 1_000_000 })

export const aDisclosure = (clinic: string, over: object = {}) => ({
  requestId: randomUUID(),
  clinic,
  recordedBy: staff('ben'),
  patientId: 'patient-1',
  recipientName: 'Public Health Office',
  recipientAddress: '1 Market Square',
  description: 'Immunisations of the year 2025',
  purpose: 'Reporting of vaccinations',
  category: DisclosureCategory.ACCOUNTABLE,
  ...over,
})

export const aConcern = (clinic: string, over: object = {}) => ({
  requestId: randomUUID(),
  clinic,
  recordedBy: staff('ben'),
  patientId: 'patient-1',
  kind: ConcernKind.DISPUTE,
  text: 'I was not in the clinic that day',
  ...over,
})

export const anAnswer = (clinic: string, concernId: string, over: object = {}) =>
  aConcern(clinic, { kind: ConcernKind.ANSWER, concernId, outcome: ConcernOutcome.ACCEPTED, text: 'The entry was made in error', ...over })
