import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { patientStream } from '../../cli/patient-stream.ts'
import { grpcDoor } from '../support/grpc-door.ts'
import { waitFor } from '../support/wait-for.ts'

t.setTimeout(20_000)

/** Keeps the call open without saying anything. */
async function* open(signal: AbortSignal) {
  yield { seq: 1n }
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}

t.test('a service that falls silent ends the call, and the call is cancelled', async (t) => {
  let left = false
  const door = await grpcDoor(t, {
    handlers: {
      checkStream: async function* (requests) {
        try {
          for await (const { seq } of requests) yield { seq }
        } finally {
          left = true
        }
      },
    },
  })
  const seen: bigint[] = []
  const client = door.connect()
  const stream = patientStream({ start: (signal) => client.checkStream(open(signal), { signal }), silenceMs: 500 })
  const reading = (async () => {
    for await (const { seq } of stream) seen.push(seq)
  })()
  await t.rejects(reading, { reason: 'DEADLINE_EXCEEDED', message: /silent for 0\.5 s.*--timeout/ })
  t.strictSame(seen, [1n])
  await waitFor('the service to see that the call is over', () => left)
})

t.test("the reader's own time is no silence, and a stream that keeps talking may last", async (t) => {
  const numbers = async function* () {
    for (let number = 0; number < 4; number += 1) yield number
  }
  const seen: number[] = []
  for await (const number of patientStream({ start: numbers, silenceMs: 20 })) {
    seen.push(number)
    await delay(30)
  }
  t.strictSame(seen, [0, 1, 2, 3])
})

t.test('what the call itself throws is passed on, and a reader that stops ends the call', async (t) => {
  let ended = false
  const failing = async function* () {
    try {
      yield 1
      throw new Error('broken')
    } finally {
      ended = true
    }
  }
  await t.rejects(
    (async () => {
      for await (const _ of patientStream({ start: failing, silenceMs: 10_000 }));
    })(),
    /broken/,
  )
  ended = false
  for await (const _ of patientStream({ start: failing, silenceMs: 10_000 })) break
  t.ok(ended)
})
