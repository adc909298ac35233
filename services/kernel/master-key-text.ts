/** The 32 bytes of a master key, written as base64 or as 64 hexadecimal digits; undefined for anything else. */
export const parseMasterKey = (text: string): Buffer | undefined => {
  const trimmed = text.trim()
  const key = /^[0-9a-f]{64}$/i.test(trimmed) ? Buffer.from(trimmed, 'hex') : Buffer.from(trimmed, 'base64')
  return key.length === 32 ? key : undefined
}
