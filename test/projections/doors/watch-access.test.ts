import { create } from '@bufbuild/protobuf'
import t, { type Test } from 'tap'
import { WatchAccessRequestSchema } from '../../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { systemClock } from '../../../services/kernel/clock.ts'
import { createWatchAccess, mostWatches } from '../../../services/projections/doors/watch-access.ts'
import { createPeople } from '../../../services/projections/reports/people.ts'
import { createReportReader } from '../../../services/projections/reports/report-reader.ts'
import { caught } from '../../support/caught.ts'
import { createProjectionHouse } from '../../support/projections.ts'
import { contextOf } from '../../support/reports.ts'

/** Watches over a house that has come to revision `reached`, each silent for a moment at most. */
const watching = async (t: Test) => {
  const house = await createProjectionHouse(t)
  const script = await house.script('north')
  await script.decided('permit', { subject: await script.staff('anna'), patient: await script.patient('p-1') })
  await house.catchUp()
  const reached = script.head()
  const watchAccess = createWatchAccess({
    vault: house.vault,
    authoriseReading: async () => ({ revision: reached }),
    reader: createReportReader({ pool: house.queryPool, clock: systemClock }),
    people: createPeople(),
    progress: { advanced: () => {}, waitFor: async () => {} },
    clock: systemClock,
    defaultDeadlineMs: 20_000,
    heartbeatMs: 1,
    gatherMs: 2,
  })
  const watch = (fromRevision?: bigint) => {
    const request = create(WatchAccessRequestSchema, { clinic: 'north', ...(fromRevision === undefined ? {} : { fromRevision }) })
    return watchAccess(request, contextOf())[Symbol.asyncIterator]()
  }
  return { watch, reached }
}

/** What the next messages say, rows by their patient. */
const said = async (watch: AsyncIterator<unknown>, count: number): Promise<unknown[]> => {
  const messages: unknown[] = []
  while (messages.length < count) {
    const { value } = (await watch.next()) as { value: { item: { case: string; value: unknown } } }
    const { case: name, value: content } = value.item
    messages.push(name === 'row' ? (content as { patientId: string }).patientId : content)
  }
  await watch.return?.()
  return messages
}

t.test('a watch says at once from where it watches, and never more than the read models have reached', async (t) => {
  const { watch, reached } = await watching(t)
  t.same(await said(watch(), 2), [reached, reached], 'the revision of its own reading')
  t.same(await said(watch(reached + 50n), 3), [reached, reached, reached], 'not what is still to come')
  t.same(await said(watch(0n), 3), ['p-1', reached, reached])
})

t.test('watches of one clinic are bounded, and one that ends makes room', async (t) => {
  const { watch } = await watching(t)
  const open = Array.from({ length: mostWatches }, () => watch())
  await Promise.all(open.map((one) => one.next()))
  t.match(await caught(Promise.resolve(watch().next())), { reason: 'OVERLOADED', retryAfterSeconds: 10 })
  await open[0]?.return?.()
  const again = watch()
  t.match(await again.next(), { done: false })
  for (const one of [...open, again]) await one.return?.()
})
