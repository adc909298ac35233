/**
 * Reading backups. A manifest is believed once it is authentic and follows the one before it; of a segment nothing is handed on before all of
 * it is what its manifest says. Whether the entries are those that were signed is for whoever restores them to find out.
 */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { Decrypter } from 'age-encryption'
import { BackupError } from './backup-error.ts'
import type { BackupManifest, ClinicRecord, EntryRecord, KeyRecord, LogRecord, Segment, SegmentKind } from './backup-format.ts'
import type { BackupKey } from './backup-key.ts'
import type { BackupStore } from './backup-store.ts'
import { manifestName, manifestPrefix, numberOfManifest, parseManifest, sha256Hex } from './manifest.ts'
import { clinicCodec, entryCodec, keyCodec, logCodec, parseRecords, type RecordCodec } from './records.ts'
import { maxContentBytes } from './segment-writer.ts'

const unzip = promisify(gunzip)

export interface OpenBackupOptions {
  readonly store: BackupStore
  readonly key: BackupKey
  /** age identities (`AGE-SECRET-KEY-…`); none are needed to read `clinics` alone. */
  readonly identities: readonly string[]
  /** Defaults to the newest. */
  readonly number?: number | undefined
}

export interface Backup extends ReadManifest {
  /** From the full one that it rests on up to it. */
  readonly chain: readonly BackupManifest[]
  /** What each ledger must be made of once all entries are there, by clinic. */
  clinics(): Promise<ReadonlyMap<string, ClinicRecord>>
  /** Of the newest backup there is, whichever was asked for: what was destroyed since then stays destroyed. */
  keys(): AsyncIterable<readonly KeyRecord[]>
  logs(): AsyncIterable<readonly LogRecord[]>
  /** From position 1 on, without a gap. */
  entries(): AsyncIterable<readonly EntryRecord[]>
}

/** Numbers of the backups in a store, ascending. */
export const backupNumbers = async (store: BackupStore): Promise<readonly number[]> => {
  const names = await store.list(manifestPrefix)
  return names.flatMap((name) => numberOfManifest(name) ?? []).sort((one, other) => one - other)
}

export interface ReadManifest {
  readonly manifest: BackupManifest
  /** SHA-256 of its object, hexadecimal: what the next one names. */
  readonly digest: string
}

/** Undefined: there is none of that number. Throws BackupError for one that is not to be believed. */
export const readManifest = async (store: BackupStore, key: BackupKey, number: number): Promise<ReadManifest | undefined> => {
  const name = manifestName(number)
  const bytes = await store.read(name)
  if (bytes === undefined) return undefined
  const manifest = parseManifest(name, bytes, key)
  if (manifest.number !== number) {
    throw new BackupError('chain', `${name} is the manifest of backup ${manifest.number}: it stands in another's place.`)
  }
  return { manifest, digest: sha256Hex(bytes) }
}

const requireManifest = async (store: BackupStore, key: BackupKey, number: number): Promise<ReadManifest> => {
  const read = await readManifest(store, key, number)
  if (read === undefined) throw new BackupError('chain', `${manifestName(number)} is missing: what comes after it cannot be restored.`)
  return read
}

/** Every backup there is, in order of number. Throws BackupError where one of them is not to be believed. */
export const listBackups = async (store: BackupStore, key: BackupKey): Promise<readonly BackupManifest[]> => {
  const manifests: BackupManifest[] = []
  for (const number of await backupNumbers(store)) manifests.push((await requireManifest(store, key, number)).manifest)
  return manifests
}

const readChain = async (store: BackupStore, key: BackupKey, last: ReadManifest): Promise<readonly BackupManifest[]> => {
  const chain = [last.manifest]
  for (let later = last.manifest; later.kind === 'incremental'; ) {
    const { manifest, digest } = await requireManifest(store, key, later.number - 1)
    if (later.previous !== digest || later.from !== manifest.to || later.installation !== manifest.installation) {
      throw new BackupError(
        'chain',
        `${manifestName(later.number)} does not follow ${manifestName(manifest.number)}: one of them is another one.`,
      )
    }
    chain.unshift(manifest)
    later = manifest
  }
  return chain
}

const decrypt = async (name: string, bytes: Uint8Array, identities: readonly string[]): Promise<Uint8Array> => {
  const decrypter = new Decrypter()
  for (const identity of identities) decrypter.addIdentity(identity)
  try {
    return await decrypter.decrypt(bytes)
  } catch (cause) {
    throw new BackupError('identity', `${name} is encrypted to others than the identities given.`, { cause })
  }
}

/** Throws BackupError unless the object is the one its manifest names. */
const readContent = async (
  { store, key, identities }: Pick<OpenBackupOptions, 'store' | 'key' | 'identities'>,
  { name, kind, bytes: size, sha256, contentSha256 }: Segment,
): Promise<Buffer> => {
  const bytes = await store.read(name)
  if (bytes === undefined) throw new BackupError('missing', `${name} is missing.`)
  if (bytes.length !== size) throw new BackupError('changed', `${name} has ${bytes.length} bytes, not ${size}.`)
  if (sha256Hex(bytes) !== sha256) throw new BackupError('changed', `${name} is not the object that was written.`)
  const opened = kind === 'clinics' ? key.open(bytes, name) : await decrypt(name, bytes, identities)
  if (opened === undefined) throw new BackupError('foreign', `${name} was not sealed under this master key.`)
  const content = await unzip(opened, { maxOutputLength: maxContentBytes }).catch((cause: unknown) => {
    throw new BackupError('content', `${name} does not unpack.`, { cause })
  })
  if (sha256Hex(content) !== contentSha256) throw new BackupError('content', `${name} holds something else than its manifest says.`)
  return content
}

/** Opens a backup and checks the chain it rests on. Throws BackupError; segments are read, and checked, as they are asked for. */
export const openBackup = async (options: OpenBackupOptions): Promise<Backup> => {
  const { store, key } = options
  const numbers = await backupNumbers(store)
  const newestNumber = numbers.at(-1)
  if (newestNumber === undefined) throw new BackupError('none', `There is no backup in ${store.where}.`)
  const number = options.number ?? newestNumber
  if (!numbers.includes(number)) {
    throw new BackupError('none', `There is no backup ${number} in ${store.where}; there are ${numbers[0]} to ${newestNumber}.`)
  }
  const newest = await requireManifest(store, key, newestNumber)
  const selected = number === newestNumber ? newest : await requireManifest(store, key, number)
  const chain = await readChain(store, key, selected)
  const { manifest } = selected
  if (newest.manifest.installation !== manifest.installation) {
    throw new BackupError('chain', `${manifestName(newestNumber)} is of another installation than ${manifestName(number)}.`)
  }

  async function* records<T>(of: BackupManifest, kind: SegmentKind, codec: RecordCodec<T>): AsyncGenerator<readonly T[]> {
    for (const segment of of.segments) {
      if (segment.kind !== kind) continue
      const found = parseRecords(await readContent(options, segment), codec, segment.name)
      if (found.length !== segment.records) {
        throw new BackupError('content', `${segment.name} holds ${found.length} records, not ${segment.records}.`)
      }
      yield found
    }
  }

  async function* entriesOf(of: BackupManifest): AsyncGenerator<readonly EntryRecord[]> {
    let last = of.from
    for await (const entries of records(of, 'entries', entryCodec)) {
      for (const { position } of entries) {
        last += 1n
        if (position !== last) {
          throw new BackupError('content', `Backup ${of.number} holds position ${position} where ${last} belongs.`)
        }
      }
      yield entries
    }
    if (last !== of.to) throw new BackupError('content', `Backup ${of.number} ends at position ${last}, not ${of.to}.`)
  }

  return {
    ...selected,
    chain,
    clinics: async () => {
      const clinics = new Map<string, ClinicRecord>()
      for await (const page of records(manifest, 'clinics', clinicCodec)) for (const each of page) clinics.set(each.clinic, each)
      if (clinics.size !== manifest.clinics) {
        throw new BackupError('content', `Backup ${number} tells of ${clinics.size} clinics, not ${manifest.clinics}.`)
      }
      return clinics
    },
    keys: () => records(newest.manifest, 'keys', keyCodec),
    logs: () => records(manifest, 'logs', logCodec),
    async *entries() {
      for (const part of chain) yield* entriesOf(part)
    },
  }
}
