/** Exits with 0 when the service of this container is ready, for a HEALTHCHECK: the image has no other HTTP client. */
import { request as plain } from 'node:http'
import { request as secure } from 'node:https'

const { CHARTWARDEN_HTTP_ADDR: address = '127.0.0.1:8080', CHARTWARDEN_TLS_CERT_FILE: certificate = '' } = process.env
const options = {
  host: '127.0.0.1',
  port: address.slice(address.lastIndexOf(':') + 1),
  path: '/readyz',
  // To itself, and without a token: the certificate names the clinic's host and not this address.
  rejectUnauthorized: false,
  timeout: 2_000,
}
const asked = (certificate === '' ? plain : secure)(options, (answer) => {
  process.exitCode = answer.statusCode === 200 ? 0 : 1
  answer.resume()
})
asked.on('timeout', () => asked.destroy(new Error('no answer')))
asked.on('error', (thrown) => {
  process.stderr.write(`${thrown.message}\n`)
  process.exitCode = 1
})
asked.end()
