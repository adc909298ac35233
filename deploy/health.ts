/** Exits with 0 when the service of this container is ready, for a HEALTHCHECK: the image has no other HTTP client. */
import { request as plain } from 'node:http'
import { request as secure } from 'node:https'

const environment = process.env
const operations = environment.CHARTWARDEN_METRICS_ADDR ?? ''
// Asked where no certificate is asked for, if there is such a place.
const [address, request] =
  operations === '' || operations === 'off'
    ? [environment.CHARTWARDEN_HTTP_ADDR || '127.0.0.1:8080', environment.CHARTWARDEN_TLS_CERT_FILE ? secure : plain]
    : [operations, plain]
const colon = address.lastIndexOf(':')
const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
// Where it listens on all addresses, the machine itself.
const own: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
const asked = request(
  {
    host: own[host] ?? host,
    port: address.slice(colon + 1),
    path: '/readyz',
    // To itself, and without a token: the certificate names the clinic's host and not this address.
    rejectUnauthorized: false,
    timeout: 2_000,
  },
  (answer) => {
    process.exitCode = answer.statusCode === 200 ? 0 : 1
    answer.resume()
  },
)
asked.on('timeout', () => asked.destroy(new Error('no answer')))
asked.on('error', (thrown) => {
  process.stderr.write(`${thrown.message}\n`)
  process.exitCode = 1
})
asked.end()
