/**
 * A client of transparency logs that knows the published formats (C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-proof) and nothing of
 * this service: it imports nothing of it.
 */
import { createHash, createPublicKey, verify } from 'node:crypto'
import { gunzipSync } from 'node:zlib'

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
const leafOf = (entry: Uint8Array): Buffer => sha256(Uint8Array.of(0), entry)
const nodeOf = (left: Buffer, right: Buffer): Buffer => sha256(Uint8Array.of(1), left, right)

/** MTH of RFC 6962, section 2.1. */
const treeRoot = (leaves: readonly Buffer[], start = 0, end = leaves.length): Buffer => {
  if (end === start) return sha256()
  if (end - start === 1) return leaves[start] as Buffer
  let split = 1
  while (split * 2 < end - start) split *= 2
  return nodeOf(treeRoot(leaves, start, start + split), treeRoot(leaves, start + split, end))
}

export interface SignedHead {
  readonly origin: string
  readonly size: number
  readonly root: Buffer
}

/** The head that a note says, if the key of a verifier key line has signed it. Throws otherwise. */
export const readCheckpoint = (note: string, vkey: string): SignedHead => {
  const split = note.lastIndexOf('\n\n')
  const text = note.slice(0, split + 1)
  const plus = vkey.indexOf('+')
  const [name, keyHash, encoded = ''] = [vkey.slice(0, plus), vkey.slice(plus + 1, plus + 9), vkey.slice(plus + 10)]
  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(encoded, 'base64').subarray(1).toString('base64url') },
    format: 'jwk',
  })
  const signed = note
    .slice(split + 2)
    .split('\n')
    .filter((line) => line.startsWith(`\u2014 ${name} `))
    .map((line) => Buffer.from(line.slice(line.lastIndexOf(' ') + 1), 'base64'))
    .some((bytes) => bytes.toString('hex', 0, 4) === keyHash && verify(null, Buffer.from(text), key, bytes.subarray(4)))
  if (!signed) throw new Error(`the note is not signed by ${vkey}`)
  const [origin = '', size = '', root = ''] = text.split('\n')
  if (origin !== name) throw new Error(`a checkpoint of ${origin}`)
  return { origin, size: Number(size), root: Buffer.from(root, 'base64') }
}

/** Whether a receipt (tlog-proof) shows that the entry is in the tree of its checkpoint. */
export const checkReceipt = (receipt: string, entry: Uint8Array, vkey: string): boolean => {
  const blank = receipt.indexOf('\n\n')
  const [head, indexLine = '', ...hashes] = receipt.slice(0, blank).split('\n')
  if (head !== 'c2sp.org/tlog-proof@v1') return false
  const { size, root } = readCheckpoint(receipt.slice(blank + 2), vkey)
  let [node, last] = [Number(indexLine.replace('index ', '')), size - 1]
  let hash = leafOf(entry)
  for (const sibling of hashes.map((text) => Buffer.from(text, 'base64'))) {
    if (node % 2 === 1 || node === last) {
      hash = nodeOf(sibling, hash)
      while (node % 2 === 0 && node > 0) [node, last] = [node / 2, Math.floor(last / 2)]
    } else hash = nodeOf(hash, sibling)
    ;[node, last] = [Math.floor(node / 2), Math.floor(last / 2)]
  }
  return last === 0 && hash.equals(root)
}

const digits = (index: number): string => {
  const text = String(index).padStart(Math.ceil(String(index).length / 3) * 3, '0')
  return (text.match(/.../g) ?? []).map((group, place, all) => (place < all.length - 1 ? `x${group}` : group)).join('/')
}

/** Paths of all tiles of a level, or of all bundles, of a tree of that size, with the width of each. */
const pathsOf = (level: number | 'entries', size: number): readonly { readonly path: string; readonly width: number }[] => {
  const hashes = Math.floor(size / 256 ** (level === 'entries' ? 0 : level))
  return Array.from({ length: Math.ceil(hashes / 256) }, (_, index) => {
    const width = Math.min(256, hashes - index * 256)
    return { path: `tile/${level}/${digits(index)}${width === 256 ? '' : `.p/${width}`}`, width }
  })
}

export interface TlogClient {
  readonly address: string
  readonly headers: Readonly<Record<string, string>>
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>
  /** Body of what must be there. */
  fetch(path: string): Promise<Buffer>
  checkpoint(vkey: string): Promise<SignedHead>
  /** The root from the hashes of level 0; every hash of every level above is computed again. Throws where one differs. */
  rootOfTiles(size: number): Promise<Buffer>
  entries(size: number): Promise<readonly Buffer[]>
  rootOfEntries(size: number): Promise<Buffer>
}

/** `prefix` is the address of the log, without a slash behind it. */
export const tlogClient = (prefix: string, token: string): TlogClient => {
  const common = { authorization: `Bearer ${token}`, 'accept-encoding': 'identity' }
  const get = (path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
    fetch(`${prefix}/${path}`, { headers: { ...common, ...headers } })
  const body = async (path: string): Promise<Buffer> => {
    const answer = await get(path)
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return Buffer.from(await answer.arrayBuffer())
  }
  const level = async (number: number, size: number): Promise<Buffer[]> => {
    const rows = await Promise.all(
      pathsOf(number, size).map(async ({ path, width }) => {
        const hashes = await body(path)
        if (hashes.length !== width * 32) throw new Error(`${path} has ${hashes.length} bytes`)
        return Array.from({ length: width }, (_, place) => hashes.subarray(place * 32, place * 32 + 32))
      }),
    )
    return rows.flat()
  }
  const entries = async (size: number): Promise<readonly Buffer[]> => {
    const found: Buffer[] = []
    for (const { path, width } of pathsOf('entries', size)) {
      const bundle = await body(path)
      let [offset, count] = [0, 0]
      while (offset < bundle.length) {
        const end = offset + 2 + bundle.readUInt16BE(offset)
        found.push(bundle.subarray(offset + 2, end))
        offset = end
        count += 1
      }
      if (count !== width || offset !== bundle.length) throw new Error(`${path} has ${count} entries`)
    }
    return found
  }
  return {
    address: prefix,
    headers: common,
    get,
    fetch: body,
    checkpoint: async (vkey) => readCheckpoint((await body('checkpoint')).toString('utf8'), vkey),
    rootOfTiles: async (size) => {
      const leaves = await level(0, size)
      let below = leaves
      for (let number = 1; size >= 256 ** number; number += 1) {
        const hashes = await level(number, size)
        for (const [place, hash] of hashes.entries()) {
          if (!treeRoot(below, place * 256, place * 256 + 256).equals(hash)) throw new Error(`hash ${place} of level ${number} differs`)
        }
        below = hashes
      }
      return treeRoot(leaves)
    },
    entries,
    rootOfEntries: async (size) => treeRoot((await entries(size)).map(leafOf)),
  }
}

/** The bytes of a compressed body that `fetch` did not undo. */
export const unzipped = (body: Uint8Array): Buffer => gunzipSync(body)
