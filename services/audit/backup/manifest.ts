/** Manifests as objects of the store: canonical JSON (RFC 8785) with a line feed, authenticated by the member `mac`. */
import { createHash } from 'node:crypto'
import { canonicalJson, type JsonValue } from '../../kernel/canonical-json.ts'
import { BackupError } from './backup-error.ts'
import { type BackupManifest, backupFormat, type SegmentKind } from './backup-format.ts'
import type { BackupKey } from './backup-key.ts'

export const manifestPrefix = 'manifests/'

export const manifestName = (number: number): string => `${manifestPrefix}${String(number).padStart(8, '0')}.json`

/** Undefined for what is no manifest's name. */
export const numberOfManifest = (name: string): number | undefined => {
  const digits = /^manifests\/(\d{8})\.json$/.exec(name)?.[1]
  return digits === undefined || Number(digits) === 0 ? undefined : Number(digits)
}

export const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const plain = (manifest: BackupManifest): { readonly [name: string]: JsonValue | undefined } => ({
  format: backupFormat,
  number: manifest.number,
  previous: manifest.previous,
  kind: manifest.kind,
  installation: manifest.installation,
  created_at: new Date(manifest.createdAt).toISOString(),
  from: String(manifest.from),
  to: String(manifest.to),
  last_leaf: manifest.lastLeaf,
  clinics: manifest.clinics,
  segments: manifest.segments.map(({ contentSha256, ...segment }) => ({ ...segment, content_sha256: contentSha256 })),
})

export const formatManifest = (manifest: BackupManifest, key: BackupKey): Buffer => {
  const members = plain(manifest)
  return Buffer.from(`${canonicalJson({ ...members, mac: key.mac(canonicalJson(members)).toString('base64') })}\n`, 'utf8')
}

interface ManifestMembers {
  readonly number: number
  readonly previous?: string
  readonly kind: BackupManifest['kind']
  readonly installation: string
  readonly created_at: string
  readonly from: string
  readonly to: string
  readonly last_leaf?: string
  readonly clinics: number
  readonly segments: readonly {
    readonly kind: SegmentKind
    readonly name: string
    readonly bytes: number
    readonly sha256: string
    readonly records: number
    readonly content_sha256: string
  }[]
}

/** Whether the members are those that the MAC was made of. What cannot be written canonically was never written by us. */
const isAuthentic = (members: Readonly<Record<string, JsonValue>>, mac: JsonValue | undefined, key: BackupKey): boolean => {
  if (typeof mac !== 'string') return false
  const given = Buffer.from(mac, 'base64')
  // The last character of base64 has bits that stand for nothing: another spelling is a change too.
  if (given.toString('base64') !== mac) return false
  try {
    return key.isMac(canonicalJson(members), given)
  } catch {
    return false
  }
}

const parseJson = (bytes: Uint8Array): Readonly<Record<string, JsonValue>> | undefined => {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, JsonValue>) : undefined
  } catch {
    return undefined
  }
}

/**
 * A manifest of this installation. What is authentic was written by `formatManifest`, so that its members are not looked at one by one.
 * Throws BackupError `format` for what another release may read, `foreign` for everything else.
 */
export const parseManifest = (name: string, bytes: Uint8Array, key: BackupKey): BackupManifest => {
  const value = parseJson(bytes)
  if (value !== undefined && typeof value['format'] === 'string' && value['format'] !== backupFormat) {
    throw new BackupError(
      'format',
      `${name} is of another format (${JSON.stringify(value['format']).slice(0, 80)}); another release may read it.`,
    )
  }
  const { mac, ...members } = value ?? {}
  if (value === undefined || !isAuthentic(members, mac, key)) {
    throw new BackupError(
      'foreign',
      `${name} was not written by this installation under this master key, or was changed since: nothing of it is used.`,
    )
  }
  const own = members as unknown as ManifestMembers
  return {
    number: own.number,
    previous: own.previous,
    kind: own.kind,
    installation: own.installation,
    createdAt: Date.parse(own.created_at),
    from: BigInt(own.from),
    to: BigInt(own.to),
    lastLeaf: own.last_leaf,
    clinics: own.clinics,
    segments: own.segments.map(({ content_sha256, ...segment }) => ({ ...segment, contentSha256: content_sha256 })),
  }
}
