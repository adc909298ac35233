/** A stream that ends before its index is called lost only once it was seen twice: the first time may have been an old leader. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { createCatchUp } from '../../../../services/audit/engines/kurrent/catch-up.ts'
import { eventOf } from '../../../../services/audit/engines/kurrent/entry-event.ts'
import { streamNames } from '../../../../services/audit/engines/kurrent/stream-names.ts'
import { createStreamReader } from '../../../../services/audit/engines/kurrent/stream-reader.ts'
import type { KurrentStreams } from '../../../../services/audit/engines/kurrent/streams.ts'
import { ChartwardenError } from '../../../../services/kernel/errors.ts'
import { fault } from '../../../support/fault.ts'
import { change, collect, decision } from '../../../support/ledger-entries.ts'

const names = streamNames('x')
const stream = names.streamOf('north')
const entries = [change(), decision(), decision()]
const events = entries.map((entry, at) => ({ ...eventOf(entry, 1, randomUUID()), stream, revision: BigInt(at) }))

const having =
  (length: number): KurrentStreams['read'] =>
  async (_, from, most) =>
    events.slice(0, length).slice(Number(from), Number(from) + most)

/** Over an index that has all entries. */
const setUp = (read: KurrentStreams['read'], readAnew: KurrentStreams['read']) => {
  const index = {
    head: async () => ({ revision: 2n, stateRevision: 0n }),
    idAt: async (_: string, revision: bigint) => entries[Number(revision)]?.id,
    add: async () => {},
  }
  const reader = createStreamReader({ streams: { read, readAnew }, index, names, pageEntries: 10 })
  return { reader, catchUp: createCatchUp({ index, reader, pageEntries: 10 }) }
}

t.test('a leader that was deposed and answers yet is not taken for a ledger that lost entries', async (t) => {
  const { reader, catchUp } = setUp(having(2), having(3))
  t.equal(await catchUp('north'), false)
  t.equal((await collect(reader.at('north', [0n, 2n]))).length, 2)
  await t.rejects(collect(reader.read('north', 0n, 5n)), fault('LEDGER_UNAVAILABLE'), 'nor is what it has taken for all there is')
})

t.test('what is missing both times is lost', async (t) => {
  const { reader, catchUp } = setUp(having(2), having(2))
  await t.rejects(catchUp('north'), fault('LEDGER_REGRESSED'))
  await t.rejects(collect(reader.at('north', [0n, 2n])), fault('LEDGER_REGRESSED'))
  await t.rejects(collect(reader.read('north', 0n, 5n)), fault('LEDGER_REGRESSED'))
})

t.test('where it cannot be looked at a second time, nothing is said of it', async (t) => {
  const away = async () => Promise.reject(new ChartwardenError('LEDGER_UNAVAILABLE'))
  const { reader, catchUp } = setUp(having(2), away)
  await t.rejects(catchUp('north'), fault('LEDGER_UNAVAILABLE'))
  await t.rejects(collect(reader.at('north', [2n])), fault('LEDGER_UNAVAILABLE'))
  await t.rejects(reader.requireEnd('north', 2n), fault('LEDGER_UNAVAILABLE'))
})
