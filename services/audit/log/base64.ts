/** Bytes of padded standard base64 (RFC 4648, section 4). Undefined for anything else: Node's own decoder skips what it does not know. */
export const parseBase64 = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
