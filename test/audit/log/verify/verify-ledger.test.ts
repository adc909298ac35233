/** How exactly damage is placed, and whose keys count. */
import t from 'tap'
import { cosignerKeyOf, signCosignature } from '../../../../services/audit/log/cosignature.ts'
import { formatSignature, formatVerifierKey } from '../../../../services/audit/log/note.ts'
import type { Fault } from '../../../../services/audit/log/verify/fault.ts'
import { type Anchors, verifyLedger } from '../../../../services/audit/log/verify/verify-ledger.ts'
import { parseWitnessPolicy } from '../../../../services/audit/log/witness-policy.ts'
import {
  checkpointOf,
  entryBytes,
  foundIn,
  keptCheckpoint,
  keptReceipt,
  logKeyOf,
  receiptOf,
  sourceOf,
  tilesOf,
  verifierKeyFor,
} from '../../../support/kept-ledger.ts'

const clinic = 'north'
const [key, next] = [logKeyOf('the first'), logKeyOf('the next')]
const original = Array.from({ length: 600 }, (_, revision) => entryBytes(clinic, BigInt(revision)))
const edited = (at: number): readonly Buffer[] => original.with(at, entryBytes(clinic, BigInt(at), 'edited'))
const nothing: Anchors = { checkpoints: [], receipts: [], keys: [] }
const shown = ({ kind, revision, lastRevision }: Fault): string => `${kind} ${revision}-${lastRevision}`

t.test('hashes of the entries that were forged along leave the row of 256 that those above them prove', async (t) => {
  const rows = edited(300)
  const leaves = tilesOf(rows).filter(({ level }) => level === 0)
  const above = tilesOf(original).filter(({ level }) => level > 0)
  const published = [checkpointOf(clinic, original, 600n, key)]
  const keys = [verifierKeyFor(clinic, key)]
  const { faults } = await verifyLedger({
    source: sourceOf({ clinic, entries: foundIn(rows), tiles: [...leaves, ...above], published, keys }),
    anchors: nothing,
  })
  t.strictSame(faults.map(shown), ['entry_changed 256-511'])
  const whole = await verifyLedger({
    source: sourceOf({ clinic, entries: foundIn(rows), tiles: tilesOf(rows), published, keys }),
    anchors: nothing,
  })
  t.strictSame(whole.faults.map(shown), ['entry_changed 0-599'], 'twin: with all of them forged nothing places it')
})

t.test('a receipt places what its checkpoint alone leaves open', async (t) => {
  const source = (at: number) => {
    const rows = edited(at)
    return sourceOf({ clinic, entries: foundIn(rows), tiles: tilesOf(rows), published: [], keys: [verifierKeyFor(clinic, key)] })
  }
  const receipt = keptReceipt(receiptOf(clinic, original, 300n, 600n, key), 'the receipt')
  const anchors = { ...nothing, receipts: [receipt] }
  t.strictSame((await verifyLedger({ source: source(10), anchors })).faults.map(shown), ['entry_changed 0-255'])
  t.strictSame((await verifyLedger({ source: source(301), anchors })).faults.map(shown), ['entry_changed 301-301'])
  t.strictSame((await verifyLedger({ source: source(300), anchors })).faults.map(shown), ['entry_changed 300-300'], 'its own entry')
  const alone = { ...nothing, checkpoints: [receipt.checkpoint] }
  t.strictSame((await verifyLedger({ source: source(10), anchors: alone })).faults.map(shown), ['entry_changed 0-599'], 'twin')
  const older = { ...nothing, checkpoints: [receipt.checkpoint, keptCheckpoint(checkpointOf(clinic, original, 250n, key), 'an older one')] }
  t.strictSame((await verifyLedger({ source: source(260), anchors: older })).faults.map(shown), ['entry_changed 250-599'])
})

t.test('a key that a trusted one vouches for counts, and no other', async (t) => {
  const [first, second] = [verifierKeyFor(clinic, key), verifierKeyFor(clinic, next)]
  const data = `{"verifier_key":"${formatVerifierKey(second)}","retiring":["${formatVerifierKey(first)}"]}`
  const bytes = entryBytes(clinic, 5n)
    .toString()
    .replace('{"what":""}', data)
    .replace('chartwarden.access.recorded.v1', 'chartwarden.log.keyadded.v1')
  const rows = original.slice(0, 20).with(5, Buffer.from(bytes))
  const verify = (covers: bigint) =>
    verifyLedger({
      source: sourceOf({
        clinic,
        entries: foundIn(rows),
        tiles: tilesOf(rows),
        published: [checkpointOf(clinic, rows, 20n, next), checkpointOf(clinic, rows, covers, key)],
        keys: [second],
      }),
      anchors: { ...nothing, keys: [first] },
    })
  t.equal((await verify(6n)).outcome, 'verified', 'the change is under a checkpoint that the key before it signed')
  t.strictSame(
    (await verify(5n)).faults.map(({ kind }) => kind),
    ['key_replaced'],
    'twin: it is under none',
  )
})

t.test('witnesses are believed for as much as the checkpoint covers that they cosigned', async (t) => {
  const witness = logKeyOf('a witness')
  const policy = parseWitnessPolicy(`witness w ${formatVerifierKey(cosignerKeyOf('w.example', witness))}\nquorum w\n`)
  if ('problem' in policy) throw new Error(policy.problem)
  const cosigned = (rows: readonly Buffer[], size: bigint) => {
    const note = checkpointOf(clinic, rows, size, key)
    const text = note.slice(0, note.indexOf('\n\n') + 1)
    return keptCheckpoint(`${note}${formatSignature(signCosignature(text, 'w.example', witness, 1_700_000_000n))}\n`, `${size}`)
  }
  const rows = original.slice(0, 200)
  const verify = async (...sizes: readonly bigint[]) => {
    const { outcome, notExcluded } = await verifyLedger({
      source: sourceOf({
        clinic,
        entries: foundIn(rows),
        tiles: tilesOf(rows),
        published: [checkpointOf(clinic, rows, 200n, key)],
        keys: [verifierKeyFor(clinic, key)],
      }),
      anchors: { ...nothing, checkpoints: sizes.map((size) => cosigned(rows, size)), policy },
    })
    return { outcome, witnesses: notExcluded.filter(({ code }) => code.startsWith('not_witnessed')) }
  }
  t.match(await verify(), { outcome: 'unchecked', witnesses: [{ code: 'not_witnessed', text: /as your policy asks; missing: \S+\.$/ }] })
  t.match(await verify(10n, 50n), { outcome: 'verified', witnesses: [{ code: 'not_witnessed_after', text: /^From revision 50 on/ }] })
  t.strictSame(await verify(200n), { outcome: 'verified', witnesses: [] }, 'twin: all of it is')
})
