const pattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?<rest>-.*)?$/

/** The header if it parses as W3C Trace Context, section 3.2; a malformed one is ignored, as section 4.3 asks. */
export const parseTraceparent = (header: unknown): string | undefined => {
  if (typeof header !== 'string' || header.length > 255) return undefined
  const match = pattern.exec(header)
  // Version 00 has four parts; later versions may have more, of which only the four are known.
  if (match === null || (header.startsWith('00') && match.groups?.['rest'] !== undefined)) return undefined
  return header.slice(0, 55)
}
