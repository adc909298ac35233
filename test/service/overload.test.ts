/**
 * A service in a process of its own that is asked far more than it can do: what it cannot do it says, what it answers is in the ledger, and it
 * goes on afterwards. bench/overload.ts measures the same for longer and with the clock in hand.
 */
import t, { type Test } from 'tap'
import { memoryOf } from '../../bench/child.ts'
import { checkPath, encodeCheck } from '../../bench/load/chartwarden-messages.ts'
import { runJob } from '../../bench/load/client.ts'
import type { PacedGroupResult } from '../../bench/load/jobs.ts'
import { danaAsks, startClinicProcess } from '../support/clinic-process.ts'

const deadlineExceeded = 4

/** Resident, in MiB. */
const mostMemory = 1_024
/** More than fit into the room, and twice as many as one clinic may have in it. */
const inFlight = 3_000
/** So many that as many calls are sent: a connection has 128 at once, and what is beyond that its caller keeps. */
const connections = 24

/** What 3,000 calls out at any time, each followed by the next at once, come to; and what the ledger holds of it. */
const flood = async (t: Test, seconds: number) => {
  const { service, clients, token } = await startClinicProcess(t, {})
  const question = { clinic: 'north', person: 'dana', patient: 'patient-1', record: 'record-1' }
  const { entry: before } = await clients.access.check({ clinic: 'north', ...danaAsks() })
  const result = await runJob({
    kind: 'paced',
    address: service.address,
    token,
    path: checkPath,
    groups: [{ name: 'flood', perSecond: Number.POSITIVE_INFINITY, messages: [{ clinic: 'north', message: encodeCheck(question) }] }],
    seconds,
    connections,
    maxInFlight: inFlight,
  })
  const { entry: after } = await clients.access.check({ clinic: 'north', ...danaAsks() })
  const recorded = Number((after?.revision ?? 0n) - (before?.revision ?? 0n)) - 1
  return { flood: result.groups[0] as PacedGroupResult, recorded, memory: memoryOf(service.pid), lines: service.lines }
}

t.test('what is too much is refused; every answer is in the ledger and nothing else; memory stays bounded', async (t) => {
  const { flood: came, recorded, memory, lines } = await flood(t, 10)
  const { accepted, refused, otherStatuses, answers } = came
  t.comment(`${accepted.calls} answered, p50 ${accepted.p50Ms.toFixed(0)} ms, p99 ${accepted.p99Ms.toFixed(0)} ms`)
  t.comment(`${refused.calls} refused, p50 ${refused.p50Ms.toFixed(0)} ms; ${memory?.highest.toFixed(0)} MiB at the highest`)
  t.ok(refused.calls > 0)
  // On a machine that is slow enough, some of what was let in before that was known.
  const late = otherStatuses.get(deadlineExceeded) ?? 0
  t.equal(otherStatuses.size, late === 0 ? 0 : 1, 'nothing ended otherwise')
  t.equal(answers.get('north'), accepted.calls, 'all of them permits')
  t.ok(recorded >= accepted.calls && recorded <= accepted.calls + late, `${recorded} recorded`)
  if (memory !== undefined) t.ok(memory.highest < mostMemory, `${memory.highest.toFixed(0)} MiB`)
  t.strictSame(
    lines.filter(({ level }) => Number(level) >= 50),
    [],
    'nothing was logged as a fault',
  )
})
