/** Records on their way into segments: lines, compressed (gzip, RFC 1952), encrypted, cut where a segment is full. */
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { Encrypter } from 'age-encryption'
import type { Segment, SegmentKind } from './backup-format.ts'
import type { BackupKey } from './backup-key.ts'
import type { BackupStore } from './backup-store.ts'
import { sha256Hex } from './manifest.ts'
import type { RecordCodec } from './records.ts'

const zip = promisify(gzip)

/**
 * Characters of a segment; it ends with the record that reaches it. A process that serves makes it into an object between two calls: more would
 * keep them waiting.
 */
const fullBytes = 4 * 1_048_576

/** More than the lines of a full segment can have in UTF-8, which is at most three times as long as their text. */
export const maxContentBytes = 4 * fullBytes

export interface SegmentWriterOptions<T> {
  readonly store: BackupStore
  readonly kind: SegmentKind
  readonly codec: RecordCodec<T>
  /** What the names of its segments begin with. */
  readonly prefix: string
  /** Encrypts a segment, which is of that name. */
  readonly encrypt: (content: Uint8Array, name: string) => Promise<Uint8Array> | Uint8Array
  /** Segments of earlier backups that need not be written again if they hold the same. */
  readonly reusable?: readonly Segment[]
  /** Characters of lines after which a segment is full. Defaults to 4 Mi, which is the most. */
  readonly segmentBytes?: number
}

export interface SegmentWriter<T> {
  write(record: T): Promise<void>
  /** Ends the segment: what comes next begins another one. */
  cut(): Promise<void>
  /** All segments, once they are in the store. */
  finish(): Promise<readonly Segment[]>
}

/** To these age recipients. */
export const encryptTo = (recipients: readonly string[]) => {
  const encrypter = new Encrypter()
  for (const recipient of recipients) encrypter.addRecipient(recipient)
  return (content: Uint8Array): Promise<Uint8Array> => encrypter.encrypt(content)
}

/** Under the key of the installation, for what the next backup goes on from. */
export const sealWith =
  (key: BackupKey, nonce: () => Uint8Array) =>
  (content: Uint8Array, name: string): Uint8Array =>
    key.seal(content, name, nonce())

/**
 * Puts an object into the store under a name that only its writer uses. One that is there already is as good if it is the same: a store may
 * have taken what it did not get to acknowledge. False: it is another one.
 */
export const putObject = async (store: BackupStore, name: string, bytes: Uint8Array): Promise<boolean> => {
  if ((await store.write(name, bytes)) === 'written') return true
  return (await store.read(name))?.equals(bytes) === true
}

export const createSegmentWriter = <T>(options: SegmentWriterOptions<T>): SegmentWriter<T> => {
  const { store, kind, codec, prefix, encrypt, reusable = [], segmentBytes = fullBytes } = options
  const ending = kind === 'clinics' ? 'sealed' : 'age'
  const written: Segment[] = []
  let lines: string[] = []
  let waiting = 0
  const flush = async (): Promise<void> => {
    if (lines.length === 0) return
    const content = Buffer.from(`${lines.join('\n')}\n`, 'utf8')
    const records = lines.length
    lines = []
    waiting = 0
    const contentSha256 = createHash('sha256').update(content).digest('hex')
    const same = reusable.find((segment) => segment.kind === kind && segment.contentSha256 === contentSha256)
    if (same !== undefined) {
      written.push(same)
      return
    }
    const name = `${prefix}/${kind}-${String(written.length + 1).padStart(6, '0')}.${ending}`
    const bytes = await encrypt(await zip(content), name)
    if (!(await putObject(store, name, bytes))) throw new Error(`${name} is in the store already, and another one`)
    written.push({ kind, name, bytes: bytes.length, sha256: sha256Hex(bytes), records, contentSha256 })
  }
  return {
    write: async (record) => {
      const line = codec.format(record)
      lines.push(line)
      waiting += line.length + 1
      if (waiting >= segmentBytes) await flush()
    },
    cut: flush,
    finish: async () => {
      await flush()
      return written
    },
  }
}
