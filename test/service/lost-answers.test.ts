/**
 * The connection to the database dies again and again right behind an entry that was sent, and no caller hears of it: each call is answered, and
 * stands in the ledger once. The twin loses answers where nothing finds out any more, and callers hear.
 */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { Ledger } from '../../services/audit/ledger.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { clientsOf, hire, readRecord, registerTestClinic, staff } from '../support/clinic.ts'
import { openCuttingRelay } from '../support/cutting-relay.ts'
import { isDecision } from '../support/gate.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { countersOf } from '../support/scrape.ts'
import { startTestService } from '../support/service.ts'

const clinic = 'north'
const lanes = 8
const calls = 30

/** Questions, and people who come and leave, while the connection is cut at every tenth call. */
const callWhileCut = async (t: Test, decorateLedger: (ledger: Ledger) => Ledger = (ledger) => ledger) => {
  const database = await createTestDatabase(t)
  const relay = await openCuttingRelay(t, database.writerUrl)
  const service = await startTestService(t, {
    database: { ...database, writerUrl: relay.url },
    decorateLedger,
    // Whatever else the machine does: for how long it is tried is not what is tested.
    settleUnknownMs: 60_000,
    environment: { CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0' },
  })
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  await hire(clients, clinic, 'anna')

  const answered = new Map<string, { readonly revision: bigint; readonly permitted: boolean }>()
  const faults: string[] = []
  const attempt = async (call: () => Promise<unknown>): Promise<void> => {
    try {
      await call()
    } catch (thrown) {
      faults.push(thrown instanceof ChartwardenError ? thrown.reason : String(thrown))
    }
  }
  const lane = async (index: number): Promise<void> => {
    for (let call = 0; call < calls; call += 1) {
      if (call % 10 === index) relay.plan([{ kind: call % 2 === 0 ? 'behind' : 'answer' }])
      if (call % 15 === 7) {
        const person = `passing-${index}-${call}`
        await attempt(() => hire(clients, clinic, person))
        await attempt(() => clients.people.offboard({ requestId: randomUUID(), clinic, subject: staff(person) }))
      }
      await attempt(async () => {
        const { decision, entry } = await clients.access.check(readRecord(clinic, 'anna', { patient: `patient-${call % 3}` }))
        answered.set(entry?.id ?? '', { revision: entry?.revision ?? -1n, permitted: decision === Decision.PERMIT })
      })
    }
  }
  await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)))
  relay.plan([])

  const stored = new Map<string, bigint>()
  const types = new Map<string, number>()
  let gaps = 0
  for await (const { item } of clients.audit.readEntries({ clinic })) {
    if (item.case !== 'entry') continue
    if (item.value.revision !== BigInt(stored.size)) gaps += 1
    stored.set(item.value.id, item.value.revision)
    types.set(item.value.type, (types.get(item.value.type) ?? 0) + 1)
  }
  const counted = await countersOf(`http://127.0.0.1:${service.metricsPort}`)
  const settled = (settlement: string) => counted('chartwarden_lost_answers_total', { settlement })
  return { answered, faults, stored, types, gaps, cuts: relay.made(), settled }
}

t.test('no caller hears of a connection that died, and every call stands in the ledger once', { timeout: 120_000 }, async (t) => {
  const { answered, faults, stored, types, gaps, cuts, settled } = await callWhileCut(t)
  t.same(faults, [], `${cuts} connections died behind an entry`)
  t.ok(cuts >= 10)
  t.ok(
    settled('found') > 0,
    `${settled('found')} entries were found, ${settled('appended')} were sent again, ${settled('refused')} decided again`,
  )
  t.equal(settled('unknown'), 0)
  t.equal(gaps, 0)
  t.equal(answered.size, lanes * calls)
  t.ok([...answered.values()].every(({ permitted }) => permitted))
  t.same(
    [...answered].filter(([id, { revision }]) => stored.get(id) !== revision),
    [],
    'each answer stands where it was said to',
  )
  t.equal(types.get('chartwarden.access.decided.v1'), answered.size, 'and nothing else was decided')
  t.equal(types.get('chartwarden.staff.offboarded.v1'), lanes * 2)
})

t.test('sabotage: an answer that is lost where nobody finds out is heard of', { timeout: 120_000 }, async (t) => {
  let appends = 0
  const { faults, types, answered } = await callWhileCut(t, (ledger) => ({
    ...ledger,
    append: async (append) => {
      const outcome = await ledger.append(append)
      if (isDecision(append)) appends += 1
      if (isDecision(append) && appends % 25 === 0) throw new ChartwardenError('LEDGER_UNAVAILABLE')
      return outcome
    },
  }))
  t.ok(faults.length > 0 && faults.every((reason) => reason === 'LEDGER_UNAVAILABLE'), faults.join())
  t.ok((types.get('chartwarden.access.decided.v1') ?? 0) > answered.size, 'stored, and never answered')
})
