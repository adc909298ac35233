import t from 'tap'
import { parseKurrentUrl } from '../../services/kernel/kurrent-url.ts'

t.test('a connection string is taken as the client takes it', async (t) => {
  const taken: Readonly<Record<string, { readonly hasCredentials: boolean; readonly plain: boolean }>> = {
    'kurrentdb://localhost': { hasCredentials: false, plain: false },
    'kurrentdb://127.0.0.1:2113?tls=false': { hasCredentials: false, plain: true },
    'kurrentdb://u:p@one:2113,two:2113,three?tlsCAFile=/run/ca.crt&nodePreference=leader': { hasCredentials: true, plain: false },
    'kurrentdb+discover://u:p%40x@cluster.example.org/?tls=true&keepAliveInterval=10000': { hasCredentials: true, plain: false },
  }
  for (const [text, expected] of Object.entries(taken)) t.same(parseKurrentUrl(text), { text, ...expected }, text)
})

t.test('what the client would print with its password, or not understand, is none', async (t) => {
  const refused = [
    '',
    'localhost:2113',
    'esdb://localhost:2113',
    'http://localhost:2113',
    'kurrentdb://',
    'kurrentdb://u:p@',
    'kurrentdb://u@localhost',
    'kurrentdb://u:p@localhost?unknown=1',
    'kurrentdb://u:p@localhost?tls=true&tls=false',
    'kurrentdb://u:p@localhost?tls=maybe',
    'kurrentdb://u:p@localhost?tls=',
    'kurrentdb://u:p@localhost?tls',
    'kurrentdb://u:p@localhost?throwOnAppendFailure=false',
    'kurrentdb://u:p@localhost with a space',
    'kurrentdb://u:p@localhost:port',
  ]
  for (const text of refused) t.equal(parseKurrentUrl(text), undefined, text)
})
