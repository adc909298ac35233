import t from 'tap'
import { systemClock } from '../../../services/kernel/clock.ts'
import type { HttpObserver } from '../../../services/kernel/http/observe-request.ts'
import { httpDoor } from '../../support/http-door.ts'
import { recordingTracer } from '../../support/recording-tracer.ts'

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

t.test('a request is told once, by the template of its route, and its handler runs inside its span', async (t) => {
  const tracer = recordingTracer()
  const told: unknown[] = []
  const observer: HttpObserver = { tracer, clock: systemClock, ended: (request) => void told.push(request) }
  let inside: unknown
  const { http } = await httpDoor(t, {
    observer,
    routes: (server) => {
      server.post('/notes/:patient', async ({ body }) => {
        inside = tracer.current()
        if ((body as { readonly bad?: boolean }).bad === true) throw new Error('of patient p-1')
        return {}
      })
    },
  })
  const port = await http.start()
  const post = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  // Larger than what arrives at once, so that the body is read in several turns.
  t.equal((await post('/notes/p-1?name=Zebulon', { text: 'x'.repeat(500_000) }, { traceparent })).status, 200)
  t.equal(inside, tracer.spans[0], 'also after its body was read')
  t.equal((await post('/notes/p-1', { bad: true })).status, 500)
  t.equal((await post('/patients/p-1', {})).status, 404)
  t.strictSame(told, [
    { method: 'POST', route: '/notes/:patient', status: 200 },
    { method: 'POST', route: '/notes/:patient', status: 500 },
    { method: 'POST', route: 'none', status: 404 },
  ])
  t.strictSame(
    tracer.spans.map(({ name, parent, ended }) => [name, parent, ended]),
    [
      ['POST /notes/:patient', traceparent, 'well'],
      ['POST /notes/:patient', undefined, '500'],
      ['POST none', undefined, 'well'],
    ],
  )
  t.notMatch(JSON.stringify(tracer.spans.map(({ name, attributes }) => [name, attributes])), /p-1|Zebulon/)
})
