/** A server that answers as it is told, in place of a witness. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'
import { cosignerKeyOf, signCosignature } from '../../services/audit/log/cosignature.ts'
import { formatSignature } from '../../services/audit/log/note.ts'
import { parseAddCheckpoint, type ReceivedCheckpoint } from '../../services/audit/log/witness/add-checkpoint.ts'
import type { PolicyWitness } from '../../services/audit/log/witness-policy.ts'

export interface ScriptedRequest {
  readonly body: ReceivedCheckpoint
  readonly path: string
}

export type Script = (request: ScriptedRequest, response: ServerResponse, message: IncomingMessage) => unknown

export interface ScriptedWitness {
  readonly url: string
  readonly asPolicy: PolicyWitness & { readonly url: string }
  /** What it was asked so far. */
  readonly asked: readonly ScriptedRequest[]
  /** Answers as this from now on. */
  follow(script: Script): void
  /** The right answer to a request. */
  readonly honest: Script
  close(): Promise<void>
}

export const answer =
  (status: number, body = '', headers: Record<string, string> = {}): Script =>
  (_request, response) =>
    response.writeHead(status, headers).end(body)

const cosign = (name: string, key: KeyObject, text: string): string =>
  `${formatSignature(signCosignature(text, name, key, 1_700_000_000n))}\n`

/** Every request reaches the script, well formed or not answered at all. It ends with the test. */
export const scriptedWitness = async (test: Test, script?: Script, name = 'scripted.example'): Promise<ScriptedWitness> => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const honest: Script = ({ body }, response) => response.end(cosign(name, privateKey, body.text))
  let current = script ?? honest
  const asked: ScriptedRequest[] = []
  const handle = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = parseAddCheckpoint(await buffer(message))
    if (body === undefined) return void response.writeHead(400).end()
    const request = { body, path: message.url ?? '' }
    asked.push(request)
    current(request, response, message)
  }
  const server = createServer((message, response) => {
    response.on('error', () => {})
    handle(message, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  test.teardown(close)
  const { port } = server.address() as { readonly port: number }
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    asPolicy: { name, key: cosignerKeyOf(name, privateKey), url },
    asked,
    follow: (next) => {
      current = next
    },
    honest,
    close,
  }
}
