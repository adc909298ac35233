import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import t from 'tap'
import { type AccessHistoryRequestSchema, AccessKind } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { Decision } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { ChartwardenError } from '../../../services/kernel/errors.ts'
import { fault } from '../../support/fault.ts'
import type { Written } from '../../support/ledger-script.ts'
import { createProjectionHouse } from '../../support/projections.ts'
import { contextOf, reportsOf, startReports } from '../../support/reports.ts'
import { waitFor } from '../../support/wait-for.ts'

t.test('a row says who did what to which record of whom, when and why', async (t) => {
  const { script, history, readings, settle } = await startReports(t)
  const anna = await script.staff('anna')
  const patient = await script.patient('p-1')
  const permit = await script.decided('permit', { subject: anna, patient, resourceId: 'xray-7', reason: 'toothache' })
  await script.recorded(
    { subject: anna, patient, resourceId: 'xray-7' },
    { decision_entry_id: permit.id, occurred_at: '2026-11-23T09:00:00.123456Z', flags: ['purpose_unstated'], purpose: 'UNSTATED' },
  )
  await script.decided('probe', { subject: anna, patient })
  await settle()

  const answer = await history({ filter: { patientId: 'p-1' } })
  t.match(answer.rows, [
    {
      kind: AccessKind.PERFORMED,
      occurredAt: { seconds: BigInt(Date.parse('2026-11-23T09:00:00Z') / 1_000), nanos: 123_456_000 },
      subject: { type: 'staff', id: 'anna' },
      resourceId: 'xray-7',
      patientId: 'p-1',
      purpose: 'UNSTATED',
      flags: ['purpose_unstated'],
      decision: Decision.UNSPECIFIED,
      decisionEntryId: permit.id,
      reason: '',
    },
    {
      entry: { id: permit.id, revision: permit.revision, time: { seconds: BigInt(permit.time / 1_000), nanos: 0 } },
      kind: AccessKind.AUTHORISED,
      action: 'read',
      resourceType: 'imaging',
      resourceId: 'xray-7',
      purpose: 'TREAT',
      reason: 'toothache',
      reasonCode: 'role_permits',
      rule: 'role/dentist#1',
      caller: 'practice-software',
      decision: Decision.PERMIT,
      decisionEntryId: '',
    },
  ])
  t.equal(answer.rows?.length, 2, 'what was only asked is left out')
  t.equal(answer.nextPageToken, '')
  t.match(readings, [
    {
      clinic: script.clinic,
      query: 'access_history',
      streamed: false,
      patientId: 'p-1',
      filter: { patient_id: 'p-1', kinds: ['authorised', 'performed', 'refused'] },
      continuation: false,
    },
  ])

  const probes = await history({ filter: { kinds: [AccessKind.PROBED] } })
  t.equal(probes.rows?.length, 1)
  const sealed = await history({ filter: { patientId: 'p-1' } }, contextOf({ scopes: ['report.read'] }))
  t.match(sealed.rows, [{ reason: '' }, { reason: '', resourceId: 'xray-7' }], 'free text only with audit.unseal')
})

t.test('each filter leaves exactly the rows that match', async (t) => {
  const { script, history, settle } = await startReports(t)
  const anna = await script.staff('anna')
  const ben = await script.staff('ben')
  const patient = await script.patient('p-1')
  const time = script.nextTime()
  const one = await script.decided('permit', { subject: anna, patient, time: time + 10_000 })
  const two = await script.decided('deny', { subject: ben, action: 'export', time: time + 20_000 })
  const three = await script.decided('permit', { subject: anna, resourceType: 'invoice', purpose: 'HPAYMT', time: time + 30_000 })
  await settle()
  const revisions = async (filter: MessageInitShape<typeof AccessHistoryRequestSchema>['filter']) =>
    (await history({ filter })).rows?.map((row) => row.entry?.revision)
  t.same(await revisions({}), [three.revision, two.revision, one.revision], 'newest first')
  t.same(await revisions({ patientId: 'p-1' }), [one.revision])
  t.same(await revisions({ patientId: 'p-unknown' }), [])
  t.same(await revisions({ subject: { type: 'staff', id: 'anna' } }), [three.revision, one.revision])
  t.same(await revisions({ subject: { type: 'lab', id: 'anna' } }), [])
  t.same(await revisions({ actions: ['export', 'read'], resourceTypes: ['imaging'] }), [two.revision, one.revision])
  t.same(await revisions({ purposes: ['HPAYMT'] }), [three.revision])
  t.same(await revisions({ kinds: [AccessKind.REFUSED] }), [two.revision])
  t.same(await revisions({ from: timestampFromMs(two.time) }), [three.revision, two.revision], 'from is inclusive')
  t.same(await revisions({ until: timestampFromMs(two.time) }), [one.revision], 'until is exclusive')
})

t.test('what is wrong is named field by field, and nothing is recorded', async (t) => {
  const { history, grants, leavers, stream, readings } = await startReports(t)
  const violations = async (call: Promise<unknown>): Promise<string[]> => {
    try {
      await call
    } catch (error) {
      if ((error as ChartwardenError).reason === 'INVALID_ARGUMENT') return (error as ChartwardenError).fields.map(({ field }) => field)
      throw error
    }
    throw new Error('it was answered')
  }
  const now = timestampFromMs(Date.parse('2026-11-23T12:00:00Z'))
  t.same(await violations(history({ clinic: '' })), ['clinic'])
  t.same(await violations(history({ pageSize: -1 })), ['page_size'])
  t.same(await violations(history({ pageSize: 1_001 })), ['page_size'])
  t.same(await violations(history({ filter: { kinds: [AccessKind.UNSPECIFIED] } })), ['filter.kinds'])
  t.same(await violations(history({ filter: { kinds: [99 as AccessKind] } })), ['filter.kinds'])
  t.same(await violations(history({ filter: { from: now, until: now } })), ['filter.until'])
  t.same(await violations(history({ filter: { from: { seconds: 0n, nanos: 1_000_000_000 } } })), ['filter.from'])
  t.same(await violations(history({ filter: { until: { seconds: 300_000_000_000n, nanos: 0 } } })), ['filter.until'])
  t.same(await violations(history({ filter: { subject: { type: 'staff', id: '' } } })), ['filter.subject.id'])
  t.same(await violations(history({ filter: { subject: { type: '', id: 'anna' } } })), ['filter.subject.type'])
  t.same(await violations(history({ filter: { patientId: 'p'.repeat(257), actions: ['a'.repeat(65), ''] } })), [
    'filter.patient_id',
    'filter.actions',
    'filter.actions',
  ])
  t.same(await violations(history({ filter: { actions: ['re\0ad'] } })), ['filter.actions'])
  t.same(await violations(history({ filter: { purposes: Array.from({ length: 101 }, (_, index) => `P${index}`) } })), ['filter.purposes'])
  t.same(await violations(history({ onBehalfOf: { type: 'staff', id: '' } })), ['on_behalf_of.id'])
  t.same(await violations(grants({ asOf: { seconds: 0n, nanos: -1 }, pageSize: -5 })), ['as_of', 'page_size'])
  t.same(await violations(leavers({ subject: { type: 'staff', id: 'x'.repeat(300) } })), ['subject.id'])
  t.same(
    await violations(
      stream({ filter: { from: now, until: now } })
        [Symbol.asyncIterator]()
        .next(),
    ),
    ['filter.until'],
  )
  t.equal(readings.length, 0)
  await t.rejects(history({ clinic: 'elsewhere' }), fault('CLINIC_NOT_ALLOWED'))
})

t.test('pages are complete and without repetition while rows arrive, and belong to one reading', async (t) => {
  const { script, history, readings, settle } = await startReports(t)
  const anna = await script.staff('anna')
  const expected: bigint[] = []
  // Several share an occurrence, so that the revision has to tell them apart.
  for (let count = 0; count < 25; count += 1) {
    const occurred = Date.parse('2026-11-01T00:00:00Z') + Math.floor(count / 4) * 1_000
    expected.unshift((await script.recorded({ subject: anna, time: occurred })).revision)
  }
  await settle()
  const seen: bigint[] = []
  let pageToken = ''
  let completeTo: bigint | undefined
  let pages = 0
  do {
    const page = await history({ pageSize: [7, 1, 3][pages % 3] ?? 1, pageToken })
    completeTo ??= page.completeToRevision
    t.equal(page.completeToRevision, completeTo, 'every page is complete to where the first one was')
    seen.push(...(page.rows ?? []).map((row) => row.entry?.revision ?? -1n))
    pageToken = page.nextPageToken ?? ''
    pages += 1
    // One that happened between the pages, and one that happened long before and is only recorded now.
    await script.decided('permit', { subject: anna })
    await script.recorded({ subject: anna, time: Date.parse('2026-11-01T00:00:02Z') })
    await settle()
  } while (pageToken !== '')
  t.same(seen, expected)
  t.same(
    readings.map(({ continuation }) => continuation),
    [false, ...Array.from({ length: pages - 1 }, () => true)],
  )
})

t.test('a page token serves its own query, caller and person only', async (t) => {
  const { house, script, history, leavers, grants, settle, readings } = await startReports(t)
  await (await house.script('another')).staff('anna')
  const anna = await script.staff('anna')
  for (let count = 0; count < 3; count += 1) await script.decided('permit', { subject: anna })
  await settle()
  const request = { pageSize: 1, filter: { actions: ['read', 'export'] } }
  const first = await history(request)
  const pageToken = first.nextPageToken ?? ''
  t.not(pageToken, '')
  const before = readings.length
  const refused = fault('PAGE_TOKEN_INVALID')
  await t.rejects(history({ ...request, pageToken, clinic: 'another' }), refused, 'another clinic')
  await t.rejects(history({ pageSize: 1, pageToken }), refused, 'another filter')
  await t.rejects(history({ ...request, pageToken, onBehalfOf: { type: 'staff', id: 'anna' } }), refused, 'another person')
  await t.rejects(history({ ...request, pageToken }, contextOf({ caller: 'other' })), refused, 'another caller')
  await t.rejects(leavers({ pageToken }), refused, 'another query')
  await t.rejects(grants({ pageToken }), refused, 'another query')
  await t.rejects(history({ ...request, pageToken: `${pageToken.slice(0, -2)}AA` }), refused, 'changed')
  await t.rejects(history({ ...request, pageToken, waitForRevision: 1_000n }), fault('INVALID_ARGUMENT'), 'a later page cannot be newer')
  t.equal(readings.length, before, 'and nothing was read')
  const second = await history({ pageSize: 2, filter: { actions: ['export', 'read', 'read'] }, pageToken })
  t.equal(second.rows?.length, 2, 'the same filter spelled otherwise is the same, and the page size may change')
  t.equal(second.nextPageToken, '')
})

t.test('a stream gives every row once and ends with its end', async (t) => {
  const { script, stream, readings, settle } = await startReports(t)
  const anna = await script.staff('anna')
  for (let count = 0; count < 1_203; count += 1) await script.decided('permit', { subject: anna })
  await settle()
  const revisions = new Set<bigint>()
  let end: { readonly items?: bigint; readonly completeToRevision?: bigint } | undefined
  let last = 0n
  for await (const { item } of stream({ filter: { subject: { type: 'staff', id: 'anna' } } })) {
    if (end !== undefined) t.fail('something comes after the end')
    if (item?.case === 'row') {
      const revision = item.value.entry?.revision ?? -1n
      if (revisions.size > 0 && revision >= last) t.fail('not newest first')
      last = revision
      revisions.add(revision)
      if (revisions.size === 600) await script.decided('permit', { subject: anna })
    } else if (item?.case === 'end') end = item.value
  }
  t.equal(revisions.size, 1_203)
  t.equal(end?.items, 1_203n)
  t.ok(end?.completeToRevision !== undefined && end.completeToRevision >= 1_203n)
  t.match(readings, [{ streamed: true, continuation: false }])
  t.equal(readings.length, 1)
})

t.test('a stream stops when its caller goes away', async (t) => {
  const { script, stream, settle } = await startReports(t)
  const anna = await script.staff('anna')
  for (let count = 0; count < 600; count += 1) await script.decided('permit', { subject: anna })
  await settle()
  const gone = new AbortController()
  let rows = 0
  const follow = async () => {
    for await (const _ of stream({}, { ...contextOf(), deadline: Number.POSITIVE_INFINITY, signal: gone.signal })) {
      rows += 1
      gone.abort()
    }
  }
  await t.rejects(follow(), fault('CALL_CANCELLED'))
  t.equal(rows, 500, 'after the page at hand')
})

t.test('a report waits for the revision asked, as long as the call lasts', async (t) => {
  const { script, history, projections, settle } = await startReports(t)
  const anna = await script.staff('anna')
  await settle()
  await projections.runner.stop()
  const access = await script.decided('permit', { subject: anna })
  t.equal((await history({})).rows?.length, 0, 'without it, the report says how far it is complete')
  await t.rejects(history({ waitForRevision: access.revision }, contextOf({ withinMs: 200 })), fault('DEADLINE_EXCEEDED'))
  const waiting = history({ waitForRevision: access.revision })
  projections.runner.start()
  const answer = await waiting
  t.equal(answer.rows?.length, 1)
  t.ok((answer.completeToRevision ?? 0n) >= access.revision)
  await t.rejects(
    history({ waitForRevision: 1_000_000n }, contextOf({ withinMs: 200 })),
    fault('DEADLINE_EXCEEDED'),
    'one that does not come',
  )
})

t.test('a stream that names no deadline, or a late one, waits for a revision only so long', async (t) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  const { stream, settle } = reportsOf(t, house, script, house.vault, { defaultDeadlineMs: 150 })
  await script.decided('permit', { subject: await script.staff('anna') })
  await settle()
  const hour = 3_600_000
  for (const withinMs of [Number.POSITIVE_INFINITY, hour]) {
    // Cancelled by the test in the end, so that one which waits for ever fails with another reason.
    const context = contextOf({ withinMs, signal: AbortSignal.timeout(15_000) })
    await t.rejects(stream({ waitForRevision: 1_000_000n }, context)[Symbol.asyncIterator]().next(), fault('DEADLINE_EXCEEDED'))
  }
  let items = 0
  for await (const { item } of stream({}, contextOf({ withinMs: Number.POSITIVE_INFINITY }))) if (item?.case === 'row') items += 1
  t.equal(items, 1, 'and one that waits for nothing is not cut')
})

t.test('a report of a clinic that the read models have not begun waits for them', async (t) => {
  const { script, history, projections } = await startReports(t)
  await projections.runner.stop()
  await script.staff('anna')
  const waiting = history({})
  projections.runner.start()
  t.ok(((await waiting).completeToRevision ?? -1n) >= 0n)
})

t.test('role grants of a moment: from inclusive, until exclusive, ends at their entry', async (t) => {
  const { script, grants, settle } = await startReports(t)
  const anna = await script.staff('anna')
  const ben = await script.staff('ben')
  const start = script.nextTime()
  const open = await script.granted(anna, 'dentist', { by: ben })
  const bounded = await script.granted(anna, 'receptionist', { from: start + 100_000, until: start + 200_000 })
  const revoked = await script.granted(ben, 'hygienist')
  const end = await script.revoked(ben, 'hygienist', [revoked], start + 150_000)
  await settle()
  const held = async (time: number, subject?: { readonly type: string; readonly id: string }) =>
    (await grants({ asOf: timestampFromMs(time), ...(subject === undefined ? {} : { subject }) })).grants?.map((grant) => grant.grantId)
  t.same(await held(open.time - 1), [])
  t.same(await held(open.time), [open.id])
  t.same(await held(start + 99_999), [open.id, revoked.id])
  t.same(await held(start + 100_000), [open.id, bounded.id, revoked.id])
  t.same(await held(end.time - 1), [open.id, bounded.id, revoked.id])
  t.same(await held(end.time), [open.id, bounded.id])
  t.same(await held(start + 199_999), [open.id, bounded.id])
  t.same(await held(start + 200_000), [open.id])
  t.same(await held(start + 100_000, { type: 'staff', id: 'ben' }), [revoked.id])
  const [row] = (await grants({ asOf: timestampFromMs(start + 100_000) })).grants ?? []
  t.match(row, {
    subject: { type: 'staff', id: 'anna' },
    role: 'dentist',
    from: { seconds: BigInt(open.time / 1_000) },
    grantor: { type: 'staff', id: 'ben' },
    reason: 'needs dentist',
    entry: { id: open.id, revision: open.revision },
  })
  t.notOk(row?.until)
  const [sealed] = (await grants({ asOf: timestampFromMs(open.time) }, contextOf({ scopes: ['report.read'] }))).grants ?? []
  t.equal(sealed?.reason, '')
})

t.test('pages of role grants are of one moment and one revision, whatever ends in between', async (t) => {
  const { script, grants, settle } = await startReports(t)
  const anna = await script.staff('anna')
  const given: Written[] = []
  for (let count = 0; count < 7; count += 1) given.push(await script.granted(anna, `role-${count}`))
  await settle()
  const asOf = timestampFromMs(script.nextTime() + 3_600_000)
  const seen: string[] = []
  let pageToken = ''
  do {
    const page = await grants({ asOf, pageSize: 2, pageToken })
    seen.push(...(page.grants ?? []).map((grant) => grant.grantId ?? ''))
    pageToken = page.nextPageToken ?? ''
    if (seen.length === 2) await script.offboarded(anna)
    if (seen.length === 4) await script.granted(await script.staff('ben'), 'later')
    await settle()
  } while (pageToken !== '')
  t.same(
    seen,
    given.map((grant) => grant.id),
  )
})

t.test('offboardings: newest first, with what ended and what was tried', async (t) => {
  const { script, leavers, settle } = await startReports(t)
  const anna = await script.staff('anna')
  const ben = await script.staff('ben')
  const grant = await script.granted(anna, 'dentist')
  const first = await script.offboarded(anna, { by: ben })
  await script.decided('deny', { subject: anna })
  const attempt = await script.decided('deny', { subject: anna })
  // No attempts: a question only, a change that was refused, somebody else, and what came after the reinstatement.
  await script.decided('probe', { subject: anna }, { decision: 'deny' })
  await script.decided('deny', { subject: anna, resourceType: 'staff_account' }, { operation: 'grant_role' })
  await script.decided('deny', { subject: ben })
  const back = await script.reinstated(anna)
  await script.decided('deny', { subject: anna })
  const second = await script.offboarded(ben)
  await settle()
  const answer = await leavers({ pageSize: 1 })
  t.match(answer.offboardings, [{ subject: { id: 'ben' }, entry: { id: second.id }, attemptsAfterExit: 0n, grantsEnded: { length: 0 } }])
  const rest = await leavers({ pageSize: 1, pageToken: answer.nextPageToken ?? '' })
  t.match(rest.offboardings, [
    {
      subject: { type: 'staff', id: 'anna' },
      decidedBy: { type: 'staff', id: 'ben' },
      reason: 'contract ended',
      effective: { seconds: BigInt(first.time / 1_000) },
      entry: { id: first.id, revision: first.revision },
      grantsEnded: [{ grantId: grant.id, role: 'dentist', subject: { id: 'anna' } }],
      attemptsAfterExit: 2n,
      lastAttempt: { seconds: BigInt(attempt.time / 1_000) },
      reinstatedAt: { seconds: BigInt(back.time / 1_000) },
      unknownSubject: false,
    },
  ])
  t.equal(rest.nextPageToken, '')
  const one = await leavers({ subject: { type: 'staff', id: 'ben' } })
  t.equal(one.offboardings?.length, 1)
})

t.test('what became of an offboarding is told as of the revision that the first page is complete to', async (t) => {
  const { script, leavers, streamReport, settle } = await startReports(t)
  const [anna, ben] = [await script.staff('anna'), await script.staff('ben')]
  await script.offboarded(anna)
  const attempt = await script.decided('deny', { subject: anna })
  await script.offboarded(ben)
  await settle()
  const first = await leavers({ pageSize: 1 })
  const later = script.nextTime()
  await script.decided('deny', { subject: anna, time: later })
  const back = await script.reinstated(anna, later + 1_000)
  await script.recorded({ subject: anna, time: later + 500 })
  await settle()
  const then = { attemptsAfterExit: 1n, performedAfterExit: 0n, lastAttempt: { seconds: BigInt(attempt.time / 1_000) } }
  const page = await leavers({ pageSize: 1, pageToken: first.nextPageToken ?? '' })
  t.match(page.offboardings, [{ subject: { id: 'anna' }, ...then }])
  t.equal(page.offboardings?.[0]?.reinstatedAt, undefined)
  const now = {
    attemptsAfterExit: 2n,
    performedAfterExit: 1n,
    lastAttempt: { seconds: BigInt(Math.floor(later / 1_000)) },
    reinstatedAt: { seconds: BigInt(Math.floor(back.time / 1_000)) },
  }
  t.match((await leavers({})).offboardings?.[1], now, 'twin: a report of the present has them')
  const streamed: unknown[] = []
  for await (const { item } of streamReport({ report: { case: 'offboardings', value: {} } })) {
    if (item?.case === 'offboarding') streamed.push(item.value)
  }
  t.match(streamed, [{ subject: { id: 'ben' } }, now])
})

t.test('whoever is erased appears under a pseudonym, and what was sealed for them is gone', async (t) => {
  const { house, script, history, settle } = await startReports(t)
  const anna = await script.staff('anna')
  const patient = await script.patient('p-1')
  await script.decided('permit', { subject: anna, patient, resourceId: 'xray-7', reason: 'toothache' })
  await script.decided('permit', { subject: anna, resourceType: 'revenue_report', resourceId: 'year' })
  await settle()
  t.match((await history({})).rows, [{ resourceId: 'year' }, { patientId: 'p-1', resourceId: 'xray-7' }])
  house.keyStore.destroy(script.clinic, patient)
  const replica = reportsOf(t, house, script, house.replicaVault())
  t.match((await replica.history({ filter: { patientId: 'p-1' } })).rows, [
    { subject: { id: 'anna' }, patientId: `erased:${patient}`, resourceId: `erased:${patient}`, reason: 'erased:', action: 'read' },
  ])
  t.match((await replica.history({})).rows, [{ subject: { id: 'anna' }, patientId: '', resourceId: 'year' }, {}])
})

t.test('an identity of the read models that was given to another pseudonym is noticed', async (t) => {
  const { house, script, settle } = await startReports(t)
  const anna = await script.staff('anna')
  const ben = await script.staff('ben')
  await script.decided('permit', { subject: anna })
  await settle()
  const identities = await house.qualified('identities')
  await house.adminPool.query(
    `update ${identities} i set sealed = o.sealed, entry_id = o.entry_id from ${identities} o
     where i.pseudonym = $1 and o.pseudonym = $2`,
    [anna.pseudonym, ben.pseudonym],
  )
  await t.rejects(reportsOf(t, house, script, house.replicaVault()).history({}), fault('INTERNAL'))
})

t.test('the lag counts what is not in the read models yet, and what was parked', async (t) => {
  const { script, projections, settle } = await startReports(t)
  await settle()
  const { parked } = await projections.lag()
  await script.writeRaw('chartwarden.future.invented.v1', {})
  await settle()
  await waitFor('the checkpoint', async () => (await projections.lag()).entries === 0n)
  t.match(await projections.lag(), { entries: 0n, state: 'running' })
  await projections.runner.stop()
  await script.staff('anna')
  await script.staff('ben')
  t.match(await projections.lag(), { entries: 2n, parked: parked + 1n, state: 'stopped' })
})
