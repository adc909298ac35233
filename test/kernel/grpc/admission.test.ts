/** Admission behind the doors: what is refused is refused before its handler runs, and what was begun keeps its place until it has settled. */
import t, { type Test } from 'tap'
import { AccessService } from '../../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { type Admission, type AdmissionOptions, createAdmission } from '../../../services/kernel/calls/admission.ts'
import { implement } from '../../../services/kernel/grpc/implement.ts'
import { caught } from '../../support/caught.ts'
import { fault } from '../../support/fault.ts'
import { echo, grpcDoor } from '../../support/grpc-door.ts'
import { httpDoor } from '../../support/http-door.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { sendBytes } from '../../support/send-bytes.ts'
import { waitFor } from '../../support/wait-for.ts'

/** Checks that wait until they are let go, or are made to fail. */
const heldChecks = () => {
  const waiting: PromiseWithResolvers<{ readonly requestId: string }>[] = []
  return {
    waiting,
    handlers: {
      check: () => {
        const held = Promise.withResolvers<{ readonly requestId: string }>()
        waiting.push(held)
        return held.promise
      },
    },
    letGo: () => {
      for (const { resolve } of waiting.splice(0)) resolve({ requestId: 'done' })
    },
  }
}

const admit = (options: Partial<AdmissionOptions> = {}): Admission => createAdmission({ maxUnderWay: 6, clock: manualClock(), ...options })

/** Checks of two clinics that are under way, the greedy one having asked for far more than there is room; then what both are told. */
const greedyBeside = async (t: Test, admission: Admission | undefined) => {
  const held = heldChecks()
  const door = await grpcDoor(t, { handlers: held.handlers, admission })
  const client = door.connect(door.token({ clinics: ['greedy', 'modest'] }))
  const settled: string[] = []
  const ask = (clinic: string) =>
    client.check({ clinic }).then(
      () => settled.push(`${clinic} answered`),
      (error: unknown) => settled.push(`${clinic} ${(error as { readonly reason: string }).reason}`),
    )
  const asked = Array.from({ length: 20 }, () => ask('greedy'))
  await waitFor('all of it to be under way or refused', () => held.waiting.length + settled.length === 20)
  asked.push(ask('modest'))
  await waitFor('the last one too', () => held.waiting.length + settled.length === 21)
  const begun = held.waiting.length
  held.letGo()
  await Promise.all(asked)
  return { begun, modest: settled.filter((text) => text.startsWith('modest')) }
}

t.test(
  'a clinic that asks for more than there is room leaves room to another, and what is refused never reaches its handler',
  async (t) => {
    t.strictSame(await greedyBeside(t, admit()), { begun: 4, modest: ['modest answered'] })
  },
)

t.test('sabotage: without admission everything is begun; with one that tells clinics not apart, the modest one is refused', async (t) => {
  t.strictSame(await greedyBeside(t, undefined), { begun: 21, modest: ['modest answered'] })
  const admission = admit()
  const mingling: Admission = {
    ...admission,
    enter: (work) => admission.enter({ ...work, clinic: 'all' }),
  }
  t.strictSame(await greedyBeside(t, mingling), { begun: 3, modest: ['modest OVERLOADED'] })
})

t.test('a refusal says when to come again, and whose quota it was', async (t) => {
  const door = await grpcDoor(t, { admission: admit({ callerQuota: { perSecond: 4, burst: 4 } }) })
  const client = door.connect()
  await client.checkBatch({ clinic: 'north', checks: [{}, {}, {}, {}] })
  t.match(await caught(client.check({ clinic: 'north' })), {
    reason: 'QUOTA_EXCEEDED',
    grpc: 8,
    retryAfterSeconds: 0.25,
    metadata: { quota: 'caller' },
  })
})

t.test('a batch takes as many places as it has items', async (t) => {
  const admission = admit()
  const seen: number[] = []
  const door = await grpcDoor(t, {
    admission,
    handlers: {
      checkBatch: async () => {
        seen.push(admission.underWay)
        return {}
      },
    },
  })
  const client = door.connect()
  await client.checkBatch({ clinic: 'north', checks: [{}, {}, {}, {}, {}] })
  await client.checkBatch({ clinic: 'north', checks: [] })
  t.strictSame(seen, [5, 1])
  await t.rejects(client.checkBatch({ clinic: 'north', checks: Array.from({ length: 7 }, () => ({})) }), fault('OVERLOADED'))
  t.equal(admission.underWay, 0)
})

t.test('a batch that is refused is not decoded, and one that is let in and is none gives its places back', async (t) => {
  const admission = admit()
  const door = await grpcDoor(t, { admission })
  // Its third item is cut off inside.
  const spoilt = Buffer.concat([Buffer.from('0a056e6f727468', 'hex'), Buffer.from('12001200', 'hex'), Buffer.from('12020a7f', 'hex')])
  await t.rejects(sendBytes(door, 'CheckBatch', spoilt), fault('INVALID_ARGUMENT'))
  t.equal(admission.underWay, 0)
  const leave = admission.enter({ caller: { issuer: 'i', id: 'c' }, clinic: 'south', units: 6 })
  await t.rejects(sendBytes(door, 'CheckBatch', spoilt), fault('OVERLOADED'), 'nothing of it was looked at')
  leave()
  await sendBytes(door, 'CheckBatch', Buffer.from('0a056e6f727468', 'hex'))
})

t.test('batches that come together begin in turns of the event loop of their own, so that others are heard in between', async (t) => {
  let turn = 0
  let counting = true
  const count = (): void => {
    turn += 1
    if (counting) setImmediate(count)
  }
  count()
  t.teardown(() => {
    counting = false
  })
  const begun: number[] = []
  const door = await grpcDoor(t, {
    handlers: {
      checkBatch: async () => {
        begun.push(turn)
        return {}
      },
    },
  })
  const client = door.connect()
  const checks = Array.from({ length: 60 }, () => ({}))
  await Promise.all(Array.from({ length: 12 }, () => client.checkBatch({ clinic: 'north', checks })))
  t.equal(new Set(begun).size, 12)
})

t.test('bytes that name one clinic to whoever reads fields by their types and another to whoever does not are no request', async (t) => {
  const admission = admit()
  const door = await grpcDoor(t, { admission })
  // North; and `clinic` once more as a number of eight bytes, which a decoder that forgives reads as a text of seven.
  const twice = Buffer.concat([Buffer.from('0a056e6f727468', 'hex'), Buffer.from('0907', 'hex'), Buffer.from('south-2')])
  await t.rejects(sendBytes(door, 'CheckBatch', twice), fault('INVALID_ARGUMENT'))
  t.equal(admission.underWay, 0)
})

t.test('a stream is let in message by message, and held back where there is no room', async (t) => {
  const leaving: ((() => void) | undefined)[] = []
  const admission = admit()
  const door = await grpcDoor(t, {
    admission,
    handlers: {
      checkStream: async function* (requests, context) {
        for await (const { seq } of requests) {
          leaving.push(await context.enter?.('north'))
          yield { seq }
        }
      },
    },
  })
  const requests = async function* () {
    for (const seq of [1n, 2n, 3n, 4n]) yield { seq }
  }
  const answered: bigint[] = []
  const read = async (): Promise<void> => {
    for await (const { seq } of door.connect().checkStream(requests())) answered.push(seq)
  }
  const reading = read()
  await waitFor('three of them', () => answered.length === 3)
  t.equal(admission.underWay, 3, 'the fourth waits')
  leaving[0]?.()
  await reading
  t.strictSame(answered, [1n, 2n, 3n, 4n])
  t.equal(admission.underWay, 3)
})

t.test('a place is given back when the handler has failed', async (t) => {
  const admission = admit()
  const held = heldChecks()
  const door = await grpcDoor(t, { handlers: held.handlers, admission })
  const asked = caught(door.connect().check({ clinic: 'north' }))
  await waitFor('the check', () => held.waiting.length === 1)
  t.equal(admission.underWay, 1)
  held.waiting[0]?.reject(new Error('of the test'))
  t.equal((await asked).reason, 'INTERNAL')
  t.equal(admission.underWay, 0)
})

t.test('a place is kept while the handler works for a caller that has gone', async (t) => {
  const admission = admit()
  const held = heldChecks()
  const door = await grpcDoor(t, { handlers: held.handlers, admission })
  const gone = new AbortController()
  const asked = caught(door.connect().check({ clinic: 'north' }, { signal: gone.signal }))
  await waitFor('the check', () => held.waiting.length === 1)
  gone.abort()
  await asked
  t.equal(admission.underWay, 1)
  held.letGo()
  await waitFor('the place', () => admission.underWay === 0)
})

t.test('administration passes however full it is', async (t) => {
  const admission = admit()
  admission.enter({ caller: { issuer: '', id: '' }, clinic: 'other', units: 6 })
  const door = await grpcDoor(t, { admission })
  const client = door.connect(door.token({ scope: 'access.check policy.explain' }))
  await t.rejects(client.check({ clinic: 'north' }), fault('OVERLOADED'))
  t.ok(await client.whoCan({ clinic: 'north' }))
})

t.test('a call without a good token, or to a clinic it does not name, takes no place and no quota', async (t) => {
  const admission = admit({ clinicQuota: { perSecond: 1, burst: 1 } })
  const door = await grpcDoor(t, { admission })
  for (let asked = 0; asked < 5; asked += 1) {
    await t.rejects(door.connect('').check({ clinic: 'north' }), fault('TOKEN_MISSING'))
    await t.rejects(door.connect(door.token({ clinic: 'south' })).check({ clinic: 'north' }), fault('CLINIC_NOT_ALLOWED'))
  }
  t.ok(await door.connect().check({ clinic: 'north' }))
})

t.test('HTTP passes the same admission, and says when to come again', async (t) => {
  const admission = admit({ callerQuota: { perSecond: 1, burst: 2 } })
  const held = heldChecks()
  const door = await httpDoor(t, { services: [implement(AccessService, { ...echo, ...held.handlers })], admission })
  const asked = door.call('clinics/north/access/check', {})
  await waitFor('the check', () => held.waiting.length === 1)
  t.equal(admission.underWay, 1)
  held.letGo()
  t.equal((await asked).statusCode, 200)
  t.equal(admission.underWay, 0)
  t.equal((await door.call('clinics/north/access/check-batch', { checks: [{}] })).statusCode, 200)
  const refused = await door.call('clinics/north/access/check', {})
  t.equal(refused.statusCode, 429)
  t.equal(refused.headers['retry-after'], '1')
  t.match(refused.json(), { reason: 'QUOTA_EXCEEDED', metadata: { quota: 'caller' } })
  const failing = door.call('clinics/north/access/check', {}, door.token({ sub: 'another' }))
  await waitFor('the other check', () => held.waiting.length === 1)
  held.waiting[0]?.reject(new Error('of the test'))
  t.equal((await failing).statusCode, 500)
  t.equal(admission.underWay, 0)
})
