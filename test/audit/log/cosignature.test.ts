/** Cosignatures of witnesses (C2SP tlog-cosignature), by both kinds of key. */
import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import t from 'tap'
import { formatCheckpoint } from '../../../services/audit/log/checkpoint.ts'
import { cosignatureTimestamp, cosignerKeyOf, signCosignature, verifyCosignature } from '../../../services/audit/log/cosignature.ts'
import { joinTimestamp } from '../../../services/audit/log/cosignature-message.ts'
import { formatNote, keyIdOf, parseNote, signNote, type VerifierKey, verifierKeyOf, verifyNote } from '../../../services/audit/log/note.ts'
import { signatureType } from '../../../services/audit/log/signature-type.ts'

const origin = 'log.example'
const root = Buffer.alloc(32, 9)
const text = formatCheckpoint({ origin, size: 70_000n, root, extensions: ['an extension'] })
const witness = generateKeyPairSync('ed25519')
const name = 'witness.example/w1'
const key = cosignerKeyOf(name, witness.privateKey)
const cosignature = signCosignature(text, name, witness.privateKey, 1_679_315_147n)

t.test('the signed message is the header, the time and the whole text, extension lines included', async (t) => {
  const message = Buffer.from(`cosignature/v1\ntime 1679315147\n${text}`)
  t.equal(cosignature.signature.readBigUInt64BE(), 1_679_315_147n)
  t.equal(cosignature.signature.length, 72)
  t.ok(verify(null, message, witness.publicKey, cosignature.signature.subarray(8)))
  t.equal(cosignatureTimestamp(cosignature), 1_679_315_147n)
  t.equal(
    key.keyId,
    createHash('sha256')
      .update(Buffer.concat([Buffer.from(`${name}\n\x04`), key.publicKey]))
      .digest()
      .readUInt32BE(),
  )
})

t.test('the example of the specification is read as a cosignature of its time', async (t) => {
  const note = parseNote(`example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
`)
  t.equal(note?.signatures[1] && cosignatureTimestamp(note.signatures[1]), 1_679_315_147n)
})

t.test('a cosignature verifies below the checkpoint it was made of, and no other', async (t) => {
  const log = generateKeyPairSync('ed25519').privateKey
  const note = formatNote(text, [signNote(text, origin, log), cosignature])
  t.match(verifyNote(note, [verifierKeyOf(origin, log), key]), { kind: 'verified', by: [{ name: origin }, { name }] })
  t.ok(verifyCosignature(text, cosignature, key))
  const other = formatCheckpoint({ origin, size: 70_001n, root, extensions: ['an extension'] })
  for (const [what, changed] of Object.entries({
    'another size': other,
    'another extension': text.replace('an ext', 'no ext'),
    'no extension': text.replace('an extension\n', ''),
    'no checkpoint': 'text\n',
  })) {
    t.notOk(verifyCosignature(changed, cosignature, key), what)
    t.equal(verifyNote(formatNote(changed, [cosignature]), [key]).kind, 'bad_signature', what)
  }
})

t.test('another time, another key, another type and a cut signature do not verify', async (t) => {
  const later = { ...cosignature, signature: joinTimestamp(1_679_315_148n, cosignature.signature.subarray(8)) }
  t.notOk(verifyCosignature(text, later, key))
  t.notOk(verifyCosignature(text, { ...cosignature, signature: cosignature.signature.subarray(0, 8) }, key))
  t.notOk(verifyCosignature(text, { ...cosignature, signature: Buffer.alloc(0) }, key))
  t.notOk(verifyCosignature(text, cosignature, cosignerKeyOf(name, generateKeyPairSync('ed25519').privateKey)))
  const asLog: VerifierKey = { ...key, type: signatureType.ed25519, keyId: keyIdOf(name, signatureType.ed25519, key.publicKey) }
  t.notOk(verifyCosignature(text, { ...cosignature, keyId: asLog.keyId }, asLog), 'a log key is no witness')
  t.notOk(verifyCosignature(text, { ...signNote(text, name, witness.privateKey), keyId: key.keyId }, key), 'a bare signature has no time')
})

t.test('a time beyond 2^63 - 1 is refused, signed or not', async (t) => {
  const timestamp = 2n ** 63n
  const signature = joinTimestamp(timestamp, sign(null, Buffer.from(`cosignature/v1\ntime ${timestamp}\n${text}`), witness.privateKey))
  t.notOk(verifyCosignature(text, { ...cosignature, signature }, key))
  t.equal(cosignatureTimestamp({ ...cosignature, signature }), undefined)
})

t.test('a cosignature by ML-DSA-44 verifies over the structure that the specification gives', async (t) => {
  const { privateKey, publicKey: object } = generateKeyPairSync('ml-dsa-44')
  const publicKey = object.export({ format: 'der', type: 'spki' }).subarray(22)
  const type = signatureType.mlDsaCosignature
  const dsaKey: VerifierKey = { name, type, publicKey, keyId: keyIdOf(name, type, publicKey) }
  const uint64 = (value: bigint) => Buffer.from(value.toString(16).padStart(16, '0'), 'hex')
  const message = (size: bigint) =>
    Buffer.concat([
      Buffer.from('subtree/v1\n\0', 'latin1'),
      Buffer.from([name.length]),
      Buffer.from(name),
      uint64(5n),
      Buffer.from([origin.length]),
      Buffer.from(origin),
      uint64(0n),
      uint64(size),
      root,
    ])
  const made = (size: bigint) => ({ name, keyId: dsaKey.keyId, signature: joinTimestamp(5n, sign(null, message(size), privateKey)) })
  t.ok(verifyCosignature(text, made(70_000n), dsaKey))
  t.notOk(verifyCosignature(text, made(70_001n), dsaKey))
  t.equal(verifyNote(formatNote(text, [made(70_000n)]), [dsaKey]).kind, 'verified')
  const long = formatCheckpoint({ origin: 'o'.repeat(256), size: 1n, root, extensions: [] })
  t.notOk(verifyCosignature(long, made(1n), dsaKey), 'an origin that the structure cannot hold')
})
