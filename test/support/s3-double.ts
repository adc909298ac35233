/**
 * As much of the S3 protocol as a store of backups uses, over loopback: objects under paths, conditional writes, listings in pages. Written
 * from Amazon's API reference (PutObject, GetObject, ListObjectsV2, DeleteObject); it checks that requests are signed for its one key and that
 * bodies are those that were signed, not the signature itself.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'

/** `before`: the connection breaks and nothing is stored. `after`: it breaks once the object is. `slow_down`: 503, as a store says it. */
export type S3Fault = 'before' | 'after' | 'slow_down' | 'conflict'

export interface S3Double {
  readonly endpoint: string
  readonly bucket: string
  /** By key. */
  readonly objects: Map<string, Buffer>
  /** What goes wrong with the next writes, one after the other. */
  readonly faults: S3Fault[]
  /** Methods of requests, in order. */
  readonly requests: string[]
  /** Whether `If-None-Match` is looked at, as every store must. */
  conditional: boolean
}

/** Keys on one page of a listing. */
const pageKeys = 3

const accessKey = 'test-access-key'

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

const sendXml = (response: ServerResponse, status: number, body: string): void => {
  response.writeHead(status, { 'content-type': 'application/xml' }).end(`<?xml version="1.0" encoding="UTF-8"?>\n${body}`)
}

const sendError = (response: ServerResponse, status: number, code: string): void =>
  sendXml(response, status, `<Error><Code>${code}</Code><Message>${code}</Message></Error>`)

const isSigned = ({ headers }: IncomingMessage, body: Buffer): boolean => {
  const given = headers['x-amz-content-sha256']
  const hashed = given === 'UNSIGNED-PAYLOAD' || given === createHash('sha256').update(body).digest('hex')
  return hashed && headers.authorization?.startsWith(`AWS4-HMAC-SHA256 Credential=${accessKey}/`) === true
}

/** Stops when the test ends. The variables that the SDK reads its credentials from are set meanwhile. */
export const startS3Double = async (test: Test): Promise<S3Double> => {
  const bucket = 'clinic-backups'
  const objects = new Map<string, Buffer>()
  const faults: S3Fault[] = []
  const requests: string[] = []

  const list = (response: ServerResponse, query: URLSearchParams): void => {
    const prefix = query.get('prefix') ?? ''
    const after = query.get('continuation-token') ?? ''
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
    const page = keys.slice(0, pageKeys)
    const more = keys.length > page.length
    const contents = page.map((key) => `<Contents><Key>${escaped(key)}</Key><Size>${objects.get(key)?.length}</Size></Contents>`)
    const token = more ? `<NextContinuationToken>${escaped(page.at(-1) ?? '')}</NextContinuationToken>` : ''
    sendXml(response, 200, `<ListBucketResult><IsTruncated>${more}</IsTruncated>${token}${contents.join('')}</ListBucketResult>`)
  }

  const put = (request: IncomingMessage, response: ServerResponse, key: string, body: Buffer): void => {
    const fault = faults.shift()
    if (fault === 'slow_down') return sendError(response, 503, 'SlowDown')
    if (fault === 'conflict') return sendError(response, 409, 'ConditionalRequestConflict')
    if (fault === 'before') return void request.socket.destroy()
    if (double.conditional && request.headers['if-none-match'] === '*' && objects.has(key))
      return sendError(response, 412, 'PreconditionFailed')
    objects.set(key, body)
    if (fault === 'after') return void request.socket.destroy()
    response.writeHead(200, { etag: '"0"' }).end()
  }

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://double')
    const [, named, ...way] = pathname.split('/').map(decodeURIComponent)
    const key = way.join('/')
    const body = await buffer(request)
    requests.push(request.method ?? '')
    if (!isSigned(request, body)) return sendError(response, 403, 'SignatureDoesNotMatch')
    if (named !== bucket) return sendError(response, 404, 'NoSuchBucket')
    if (request.method === 'PUT') return put(request, response, key, body)
    if (request.method === 'DELETE') {
      objects.delete(key)
      return void response.writeHead(204).end()
    }
    if (key === '') return list(response, searchParams)
    const object = objects.get(key)
    if (object === undefined) return sendError(response, 404, 'NoSuchKey')
    response.writeHead(200, { 'content-length': object.length }).end(object)
  }

  const server = createServer((request, response) => void answer(request, response).catch(() => request.socket.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const settings = { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: 'test-secret', AWS_REGION: 'eu-central-1' }
  const before = Object.keys(settings).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, settings)
  test.teardown(async () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const double: S3Double = { endpoint, bucket, objects, faults, requests, conditional: true }
  return double
}
