/**
 * ZIP (PKWARE APPNOTE 6.3.9) as far as a bundle needs it: files stored as they are, no times, no comments, 64-bit sizes where they are
 * needed. So the same content always gives the same bytes, nothing can grow when it is read, and every tool that knows ZIP opens it.
 */

/** A file in the archive. */
export interface ZipFile {
  /** Printable ASCII, with slashes. */
  readonly name: string
  readonly size: number
  /** CRC-32 of the content. */
  readonly crc: number
}

const localSignature = 0x04034b50
export const centralSignature = 0x02014b50
const endSignature = 0x06054b50
const end64Signature = 0x06064b50
const locatorSignature = 0x07064b50

/** Bytes of a local header before the name. */
export const localHeaderLength = 30

const max16 = 0xffff
const max32 = 0xffffffff
const version = 20
const version64 = 45
/** 1980-01-01, the first day that ZIP knows: when a bundle was made is told inside it. */
const date = 0x21
/** A regular file that its owner may write and everybody read, in the manner of Unix. */
const attributes = 0o100644 * 0x10000
const madeOnUnix = 3 << 8

const isLarge = (value: number): boolean => value >= max32

/** The extra field with what does not fit into 32 bits. */
const extraOf = (values: readonly number[]): Buffer => {
  if (values.length === 0) return Buffer.alloc(0)
  const extra = Buffer.alloc(4 + 8 * values.length)
  extra.writeUInt16LE(1, 0)
  extra.writeUInt16LE(8 * values.length, 2)
  for (const [place, value] of values.entries()) extra.writeBigUInt64LE(BigInt(value), 4 + 8 * place)
  return extra
}

export const localHeader = ({ name, size, crc }: ZipFile): Buffer => {
  const extra = extraOf(isLarge(size) ? [size, size] : [])
  const header = Buffer.alloc(localHeaderLength)
  header.writeUInt32LE(localSignature, 0)
  header.writeUInt16LE(isLarge(size) ? version64 : version, 4)
  header.writeUInt16LE(date, 12)
  header.writeUInt32LE(crc, 14)
  header.writeUInt32LE(Math.min(size, max32), 18)
  header.writeUInt32LE(Math.min(size, max32), 22)
  header.writeUInt16LE(name.length, 26)
  header.writeUInt16LE(extra.length, 28)
  return Buffer.concat([header, Buffer.from(name, 'latin1'), extra])
}

/** Of a local header's fixed part: what it says of the file, and how long name and extra field behind it are. Undefined: it is none. */
export const parseLocalHeader = (
  header: Buffer,
): { readonly crc: number; readonly size: number; readonly nameLength: number; readonly extraLength: number } | undefined => {
  if (header.length < localHeaderLength || header.readUInt32LE(0) !== localSignature) return undefined
  return {
    crc: header.readUInt32LE(14),
    size: header.readUInt32LE(22),
    nameLength: header.readUInt16LE(26),
    extraLength: header.readUInt16LE(28),
  }
}

/** The size of a file whose header says that it does not fit there. */
export const largeSize = (extra: Buffer): number | undefined => {
  if (extra.length !== 20) return undefined
  const size = extra.readBigUInt64LE(4)
  return size <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(size) : undefined
}

export const centralRecord = ({ name, size, crc }: ZipFile, offset: number): Buffer => {
  const extra = extraOf([...(isLarge(size) ? [size, size] : []), ...(isLarge(offset) ? [offset] : [])])
  const record = Buffer.alloc(46)
  record.writeUInt32LE(centralSignature, 0)
  record.writeUInt16LE(madeOnUnix | (extra.length > 0 ? version64 : version), 4)
  record.writeUInt16LE(extra.length > 0 ? version64 : version, 6)
  record.writeUInt16LE(date, 14)
  record.writeUInt32LE(crc, 16)
  record.writeUInt32LE(Math.min(size, max32), 20)
  record.writeUInt32LE(Math.min(size, max32), 24)
  record.writeUInt16LE(name.length, 28)
  record.writeUInt16LE(extra.length, 30)
  record.writeUInt32LE(attributes, 38)
  record.writeUInt32LE(Math.min(offset, max32), 42)
  return Buffer.concat([record, Buffer.from(name, 'latin1'), extra])
}

/** What stands behind the central directory of `files` records and `size` bytes that begins at `offset`. */
export const endOfArchive = (files: number, size: number, offset: number): Buffer => {
  const large = files >= max16 || isLarge(size) || isLarge(offset)
  const end64 = Buffer.alloc(large ? 76 : 0)
  if (large) {
    end64.writeUInt32LE(end64Signature, 0)
    end64.writeBigUInt64LE(44n, 4)
    end64.writeUInt16LE(madeOnUnix | version64, 12)
    end64.writeUInt16LE(version64, 14)
    end64.writeBigUInt64LE(BigInt(files), 24)
    end64.writeBigUInt64LE(BigInt(files), 32)
    end64.writeBigUInt64LE(BigInt(size), 40)
    end64.writeBigUInt64LE(BigInt(offset), 48)
    end64.writeUInt32LE(locatorSignature, 56)
    end64.writeBigUInt64LE(BigInt(offset + size), 64)
    end64.writeUInt32LE(1, 72)
  }
  const end = Buffer.alloc(22)
  end.writeUInt32LE(endSignature, 0)
  end.writeUInt16LE(Math.min(files, max16), 8)
  end.writeUInt16LE(Math.min(files, max16), 10)
  end.writeUInt32LE(Math.min(size, max32), 12)
  end.writeUInt32LE(Math.min(offset, max32), 16)
  return Buffer.concat([end64, end])
}
