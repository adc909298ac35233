import { parseVerifierKey, type VerifierKey } from '../note.ts'
import { signatureType } from '../signature-type.ts'

/**
 * Keys of logs, by origin, from texts that hold a verifier key each or are files of them: one a line, or lines `log <verifier key> [<url>]` of
 * a policy (C2SP tlog-policy), with comments behind `#`. Several keys of one origin are all trusted, as during a change of keys. A text for a
 * line that is neither.
 */
export const parseTrustedLogs = (texts: readonly string[]): ReadonlyMap<string, readonly VerifierKey[]> | string => {
  const logs = new Map<string, VerifierKey[]>()
  for (const line of texts.flatMap((text) => text.split(/\r?\n/))) {
    const words = line.split(/[ \t]+/).filter((word) => word !== '')
    if (words.length === 0 || words[0]?.startsWith('#')) continue
    const [text = ''] = words[0] === 'log' ? words.slice(1) : words
    const key = parseVerifierKey(text)
    if (key === undefined) return `"${line.slice(0, 100)}" is no verifier key of a log`
    if (key.type !== signatureType.ed25519) return `"${line.slice(0, 100)}" is the key of a witness, not of a log`
    const known = logs.get(key.name) ?? []
    if (!known.some(({ publicKey }) => publicKey.equals(key.publicKey))) logs.set(key.name, [...known, key])
  }
  return logs
}
