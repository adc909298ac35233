/** `validate_only` of a batch over gRPC: what recording would answer, and nothing recorded. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { accessOverGrpc } from '../support/access-over-grpc.ts'
import { caught } from '../support/caught.ts'
import { registerTestClinic, staff } from '../support/clinic.ts'

const clinic = 'north'

t.test('each item is answered as recording it would be, and the ledger stays as it is', async (t) => {
  const { clients, engine } = await accessOverGrpc(t)
  const own = clients(clinic)
  await registerTestClinic(own, clinic)
  const access = (id: string, requestId: string = randomUUID()) => ({
    requestId,
    subject: staff('anna'),
    action: { name: 'read' },
    resource: { type: 'imaging', id, patientId: 'patient-1' },
    purpose: 'TREAT',
  })
  const there = access('img-1')
  const other = access('img-2', there.requestId)
  const { entry } = await own.audit.recordAccess({ ...there, clinic })
  const before = (await engine.head(clinic))?.revision

  const accesses = [there, other, access('img-3'), access('', randomUUID())]
  const validated = await own.audit.recordAccessBatch({ clinic, accesses, validateOnly: true })
  t.match(
    validated.results.map(({ outcome }) => outcome),
    [
      { case: 'response', value: { replayed: true, entry: { id: entry?.id, revision: entry?.revision } } },
      { case: 'error', value: { reason: 'REQUEST_MISMATCH' } },
      { case: 'response', value: { replayed: false, entry: undefined } },
      { case: 'error', value: { reason: 'INVALID_ARGUMENT' } },
    ],
  )
  t.equal((await engine.head(clinic))?.revision, before, 'nothing was recorded, nobody was introduced')

  const recorded = await own.audit.recordAccessBatch({ clinic, accesses })
  const said = ({ results }: typeof validated) =>
    results.map(({ outcome }) => (outcome.case === 'error' ? outcome.value.reason : outcome.value?.replayed))
  t.same(said(recorded), said(validated), 'recording says the same')
  t.ok(((await engine.head(clinic))?.revision ?? 0n) > (before ?? 0n), 'twin: without it something is')
})

t.test('only whoever may record may ask, and only of a clinic that there is', async (t) => {
  const { clients } = await accessOverGrpc(t)
  const own = clients(clinic)
  const accesses = [{ requestId: randomUUID(), subject: staff('a'), action: { name: 'read' }, resource: { type: 'imaging', id: 'i' } }]
  const refused = await caught(Promise.resolve(own.audit.recordAccessBatch({ clinic, accesses, validateOnly: true })))
  t.equal(refused.reason, 'CLINIC_NOT_ALLOWED')
  const noScope = clients(clinic, ['access.check'])
  t.equal(
    (await caught(Promise.resolve(noScope.audit.recordAccessBatch({ clinic, accesses, validateOnly: true })))).reason,
    'SCOPE_MISSING',
    'only whoever may record may ask',
  )
})
