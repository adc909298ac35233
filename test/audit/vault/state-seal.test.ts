import { createDecipheriv, createSecretKey, hkdfSync } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { createStateSeal } from '../../../services/audit/vault/state-seal.ts'
import type { StateContext } from '../../../services/audit/vault.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'

const clinicKey = Buffer.from(systemRandomness.bytes(32))
const { sealState, openState } = createStateSeal(createSecretKey(clinicKey), systemRandomness)
const context: StateContext = { clinic: 'north', format: 1, stateRevision: 41n }
const bytes = Buffer.from('a state')

t.test('what was sealed opens again, however long it is', async (t) => {
  for (const length of [0, 1, 15, 16, 17, 1_000_001]) {
    const state = Buffer.from(systemRandomness.bytes(length))
    t.ok(state.equals(openState(context, sealState(context, state)) as Uint8Array), `${length} bytes`)
  }
})

t.test('the same state is sealed differently each time, and never in the clear', async (t) => {
  const [once, again] = [Buffer.from(sealState(context, bytes)), Buffer.from(sealState(context, bytes))]
  t.notOk(once.equals(again))
  t.notOk(once.subarray(0, 12).equals(again.subarray(0, 12)), 'a nonce is used once')
  t.notOk(once.includes(bytes))
})

t.test('no other clinic, format or revision opens it', async (t) => {
  const sealed = sealState(context, bytes)
  const others: readonly StateContext[] = [
    { ...context, clinic: 'south' },
    { ...context, clinic: 'north\n1' },
    { ...context, format: 2 },
    { ...context, format: 14, stateRevision: 1n },
    { ...context, stateRevision: 40n },
    { ...context, stateRevision: -41n },
  ]
  for (const other of others)
    t.equal(openState(other, sealed), undefined, JSON.stringify({ ...other, stateRevision: `${other.stateRevision}` }))
  const stranger = createStateSeal(createSecretKey(Buffer.from(systemRandomness.bytes(32))), systemRandomness)
  t.equal(stranger.openState(context, sealed), undefined, 'another key')
})

t.test('bytes that were changed, cut, lengthened or made up do not open, and do not throw', async () => {
  const sealed = Buffer.from(sealState(context, bytes))
  fc.assert(
    fc.property(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), (index, difference) => {
      const edited = Buffer.from(sealed)
      edited[index] = (edited[index] as number) ^ difference
      return openState(context, edited) === undefined
    }),
  )
  fc.assert(fc.property(fc.nat(sealed.length - 1), (length) => openState(context, sealed.subarray(0, length)) === undefined))
  fc.assert(fc.property(fc.uint8Array({ minLength: 1 }), (more) => openState(context, Buffer.concat([sealed, more])) === undefined))
  fc.assert(fc.property(fc.uint8Array(), (made) => openState(context, made) === undefined))
})

t.test('the key is derived as documented: HKDF-SHA-256 of the clinic key under a label of its own', async (t) => {
  const key = Buffer.from(hkdfSync('sha256', clinicKey, '', 'chartwarden state snapshot v1', 32))
  const sealed = sealState(context, bytes)
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12))
    .setAAD(Buffer.from('chartwarden state snapshot v1\nnorth\n1\n41'))
    .setAuthTag(sealed.subarray(-16))
  t.equal(Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]).toString(), 'a state')
})
