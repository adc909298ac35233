import type { IncomingMessage } from 'node:http'
import { ChartwardenError } from '../errors.ts'

const times = ({ rawHeaders }: IncomingMessage, name: string): number =>
  rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === name).length

/** A charset that a content type names; JSON is UTF-8 (RFC 8259, section 8.1). */
const otherCharset = (contentType: string | undefined): boolean => {
  const [, charset] = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(contentType ?? '') ?? []
  return charset !== undefined && charset.toLowerCase() !== 'utf-8'
}

/**
 * Looks at the headers of a request before anything acts on them. Throws for what could be read in two ways, by this service and by a proxy
 * in front of it, and for what is not read here at all.
 */
export const checkHead = (request: IncomingMessage): void => {
  const { headers, httpVersion } = request
  // RFC 9112, section 3.2; HTTP/1.0 had none.
  if (headers.host === undefined && httpVersion !== '1.0')
    throw new ChartwardenError('INVALID_ARGUMENT', { message: 'The Host header is missing.' })
  // Node keeps the first of them.
  if (times(request, 'authorization') > 1) throw new ChartwardenError('TOKEN_REFUSED', { cause: new Error('several_authorizations') })
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') throw new ChartwardenError('EXPECTATION_UNKNOWN')
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') throw new ChartwardenError('MEDIA_TYPE_UNSUPPORTED')
  if (times(request, 'content-type') > 1 || otherCharset(headers['content-type'])) throw new ChartwardenError('MEDIA_TYPE_UNSUPPORTED')
}
