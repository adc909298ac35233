/** What witnesses sign (C2SP tlog-cosignature v1.1.0-rc.1). */
import type { Checkpoint } from './checkpoint.ts'

/** Seconds since the epoch that a cosignature may carry at most. */
const maxTimestamp = 2n ** 63n - 1n

const timestampLength = 8

/** `timestamped_signature`: the seconds since the epoch ahead of the signature proper. */
export const joinTimestamp = (timestamp: bigint, signature: Uint8Array): Buffer => {
  const head = Buffer.alloc(timestampLength)
  head.writeBigUInt64BE(timestamp)
  return Buffer.concat([head, signature])
}

/** Undefined for what is too short, and for times beyond 2^63 - 1. */
export const splitTimestamp = (bytes: Buffer): { readonly timestamp: bigint; readonly signature: Buffer } | undefined => {
  if (bytes.length <= timestampLength) return undefined
  const timestamp = bytes.readBigUInt64BE()
  return timestamp > maxTimestamp ? undefined : { timestamp, signature: bytes.subarray(timestampLength) }
}

/** The whole text of the checkpoint, extension lines included, below two lines that set it apart. */
export const ed25519CosignatureMessage = (checkpointText: string, timestamp: bigint): Buffer =>
  Buffer.from(`cosignature/v1\ntime ${timestamp}\n${checkpointText}`, 'utf8')

const opaque = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, 'utf8')
  return bytes.length === 0 || bytes.length > 255 ? undefined : Buffer.concat([Uint8Array.of(bytes.length), bytes])
}

const uint64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}

/** `cosigned_message` of a checkpoint, whose subtree begins at 0; undefined where a name is longer than 255 bytes. */
export const mlDsaCosignatureMessage = (
  cosigner: string,
  timestamp: bigint,
  { origin, size, root }: Pick<Checkpoint, 'origin' | 'size' | 'root'>,
): Buffer | undefined => {
  const name = opaque(cosigner)
  const log = opaque(origin)
  if (name === undefined || log === undefined) return undefined
  return Buffer.concat([Buffer.from('subtree/v1\n\0', 'latin1'), name, uint64(timestamp), log, uint64(0n), uint64(size), root])
}
