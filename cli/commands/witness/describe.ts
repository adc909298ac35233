import { formatVerifierKey } from '../../../services/audit/log/note.ts'
import type { WitnessKey } from '../../../services/audit/log/witness/witness-key.ts'
import { originHash, type WitnessRecord } from '../../../services/audit/log/witness/witness-records.ts'

/** Seconds since the epoch as RFC 3339 in UTC. */
export const secondsText = (seconds: bigint): string => new Date(Number(seconds) * 1_000).toISOString().replace('.000Z', 'Z')

/** Lines for the file that CHARTWARDEN_WITNESS_POLICY names, as long as this is the clinic's only witness. */
export const policyLines = ({ name, verifierKey }: WitnessKey, url: string): readonly string[] => [
  `witness ${name} ${formatVerifierKey(verifierKey)} ${url}`,
  `quorum ${name}`,
]

/** A log as JSON. */
export const recordJson = ({ origin, head, cosignedAt }: WitnessRecord, forks: ReadonlyMap<string, string>) => ({
  origin,
  size: String(head.size),
  root_hash: head.root.toString('base64'),
  cosigned_at: secondsText(cosignedAt),
  ...(forks.has(originHash(origin)) ? { fork: forks.get(originHash(origin)) } : {}),
})
