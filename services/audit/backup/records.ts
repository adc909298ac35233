/** Records as lines of JSON. */
import { isUtf8 } from 'node:buffer'
import { BackupError } from './backup-error.ts'
import type { ClinicRecord, EntryRecord, KeyRecord, LogRecord } from './backup-format.ts'

type Line = Readonly<Record<string, unknown>>

/** How a record is written and read. */
export interface RecordCodec<T> {
  format(record: T): string
  parse(line: Line): T
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')

const text = (line: Line, name: string): string => {
  const value = line[name]
  if (typeof value !== 'string') throw new TypeError(`a line has no ${name}`)
  return value
}
const optionalText = (line: Line, name: string): string | undefined => (line[name] === undefined ? undefined : text(line, name))
const bytes = (line: Line, name: string): Buffer => Buffer.from(text(line, name), 'base64')
const whole = (line: Line, name: string): bigint => BigInt(text(line, name))
const number = (line: Line, name: string): number => {
  const value = line[name]
  if (!Number.isSafeInteger(value)) throw new TypeError(`a line has no ${name}`)
  return value as number
}

/** An entry stands as text, which compresses well; as base64 only if it is none, which no entry of ours is. */
export const entryCodec: RecordCodec<EntryRecord> = {
  format: (entry) =>
    JSON.stringify({
      position: String(entry.position),
      clinic: entry.clinic,
      revision: String(entry.revision),
      recorded_at: entry.recordedAt,
      id: entry.id,
      type: entry.type,
      state_changing: entry.stateChanging,
      request_digest: base64(entry.requestDigest),
      ...(isUtf8(entry.bytes) ? { entry: entry.bytes.toString('utf8') } : { entry_base64: base64(entry.bytes) }),
    }),
  parse: (line) => ({
    position: whole(line, 'position'),
    clinic: text(line, 'clinic'),
    revision: whole(line, 'revision'),
    recordedAt: number(line, 'recorded_at'),
    id: text(line, 'id'),
    type: text(line, 'type'),
    stateChanging: line['state_changing'] === true,
    requestDigest: bytes(line, 'request_digest'),
    bytes: line['entry'] === undefined ? bytes(line, 'entry_base64') : Buffer.from(text(line, 'entry'), 'utf8'),
  }),
}

const formatKey = (record: KeyRecord): Line => {
  const { kind, clinic } = record
  switch (record.kind) {
    case 'clinic_keys':
      return {
        kind,
        clinic,
        pseudonym_key: base64(record.pseudonymKey),
        digest_key: base64(record.digestKey),
        created_at: record.createdAt,
      }
    case 'identity_key':
      return {
        kind,
        clinic,
        pseudonym: record.pseudonym,
        wrapped_key: record.wrappedKey === undefined ? undefined : base64(record.wrappedKey),
        commitment: record.commitment,
        created_at: record.createdAt,
        destroyed_at: record.destroyedAt,
      }
    case 'log_key':
      return {
        kind,
        clinic,
        id: record.id,
        wrapped_key: base64(record.wrappedKey),
        public_key: base64(record.publicKey),
        created_at: record.createdAt,
      }
    case 'log_key_activation':
      return { kind, clinic, id: record.id, ordinal: String(record.ordinal), retire_others_at: record.retireOthersAt }
  }
}

const parseKey = (line: Line): KeyRecord => {
  const clinic = text(line, 'clinic')
  const kind = line['kind'] as KeyRecord['kind']
  switch (kind) {
    case 'clinic_keys': {
      const keys = { pseudonymKey: bytes(line, 'pseudonym_key'), digestKey: bytes(line, 'digest_key') }
      return { kind, clinic, ...keys, createdAt: text(line, 'created_at') }
    }
    case 'identity_key':
      return {
        kind,
        clinic,
        pseudonym: text(line, 'pseudonym'),
        wrappedKey: line['wrapped_key'] === undefined ? undefined : bytes(line, 'wrapped_key'),
        commitment: text(line, 'commitment'),
        createdAt: text(line, 'created_at'),
        destroyedAt: optionalText(line, 'destroyed_at'),
      }
    case 'log_key': {
      const keys = { wrappedKey: bytes(line, 'wrapped_key'), publicKey: bytes(line, 'public_key') }
      return { kind, clinic, id: text(line, 'id'), ...keys, createdAt: text(line, 'created_at') }
    }
    case 'log_key_activation':
      return { kind, clinic, id: text(line, 'id'), ordinal: whole(line, 'ordinal'), retireOthersAt: optionalText(line, 'retire_others_at') }
    default:
      throw new TypeError('a line of keys is of no kind that is known')
  }
}

export const keyCodec: RecordCodec<KeyRecord> = { format: (record) => JSON.stringify(formatKey(record)), parse: parseKey }

const formatLog = (record: LogRecord): Line => {
  const { kind } = record
  switch (record.kind) {
    case 'sealer':
      return { kind, installation: record.installation, epoch: String(record.epoch), handed_out_at: record.handedOutAt }
    case 'log': {
      const { clinic, generation, origin, halted } = record
      return { kind, clinic, generation, origin, size: String(record.size), halted }
    }
    case 'checkpoint': {
      const { clinic, generation, note, publishedAt } = record
      return { kind, clinic, generation, size: String(record.size), root: base64(record.root), note, published_at: publishedAt }
    }
    case 'cosignature': {
      const { clinic, generation, witness, line, addedAt } = record
      return { kind, clinic, generation, size: String(record.size), witness, line, added_at: addedAt }
    }
  }
}

const parseLog = (line: Line): LogRecord => {
  const kind = line['kind'] as LogRecord['kind']
  if (kind === 'sealer') {
    return { kind, installation: text(line, 'installation'), epoch: whole(line, 'epoch'), handedOutAt: optionalText(line, 'handed_out_at') }
  }
  const place = { clinic: text(line, 'clinic'), generation: number(line, 'generation'), size: whole(line, 'size') }
  switch (kind) {
    case 'log':
      return { kind, ...place, origin: text(line, 'origin'), halted: optionalText(line, 'halted') }
    case 'checkpoint':
      return { kind, ...place, root: bytes(line, 'root'), note: text(line, 'note'), publishedAt: text(line, 'published_at') }
    case 'cosignature':
      return { kind, ...place, witness: text(line, 'witness'), line: text(line, 'line'), addedAt: text(line, 'added_at') }
    default:
      throw new TypeError('a line of logs is of no kind that is known')
  }
}

export const logCodec: RecordCodec<LogRecord> = { format: (record) => JSON.stringify(formatLog(record)), parse: parseLog }

export const clinicCodec: RecordCodec<ClinicRecord> = {
  format: ({ clinic, size, stateRevision, root, edge }) =>
    JSON.stringify({
      clinic,
      size: String(size),
      state_revision: String(stateRevision),
      root: base64(root),
      edge: edge.map(base64),
    }),
  parse: (line) => ({
    clinic: text(line, 'clinic'),
    size: whole(line, 'size'),
    stateRevision: whole(line, 'state_revision'),
    root: bytes(line, 'root'),
    edge: (line['edge'] as readonly string[]).map((hashes) => Buffer.from(hashes, 'base64')),
  }),
}

/** The records of a segment. Throws BackupError `content` for a line that is none of them. */
export const parseRecords = <T>(content: Buffer, codec: RecordCodec<T>, name: string): readonly T[] => {
  const lines = content.toString('utf8').split('\n')
  try {
    if (lines.pop() !== '') throw new TypeError('the last line has no end')
    return lines.map((line) => codec.parse(JSON.parse(line) as Line))
  } catch (cause) {
    throw new BackupError('content', `${name} holds a line that is no record of its kind.`, { cause })
  }
}
