import { randomUUID } from 'node:crypto'
import t from 'tap'
import { cosignerKeyOf, signCosignature } from '../../../../services/audit/log/cosignature.ts'
import { formatSignature, formatVerifierKey } from '../../../../services/audit/log/note.ts'
import { parseTlogProof } from '../../../../services/audit/log/tlog-proof.ts'
import { leafHash } from '../../../../services/audit/log/tree-hash.ts'
import { verifyConsistency, verifyInclusion } from '../../../../services/audit/log/verify-proofs.ts'
import { parseWitnessPolicy, type WitnessPolicy } from '../../../../services/audit/log/witness-policy.ts'
import type { CallContext } from '../../../../services/kernel/caller.ts'
import type { ChartwardenError } from '../../../../services/kernel/errors.ts'
import { caught } from '../../../support/caught.ts'
import { servedLog } from '../../../support/log-door.ts'
import { memoryLog } from '../../../support/memory-log.ts'
import { signingKey } from '../../../support/signing-key.ts'
import { checkReceipt, readCheckpoint } from '../../../support/tlog-client.ts'
import { waitFor } from '../../../support/wait-for.ts'

const contextOf = (signal = new AbortController().signal, draining?: AbortSignal): CallContext => ({
  caller: { id: 'c', issuer: 'i', clinics: new Set(['north', 'nowhere']), scopes: new Set(['ledger.verify']), expiresAt: 0 },
  correlationId: randomUUID(),
  deadline: Number.POSITIVE_INFINITY,
  signal,
  ...(draining === undefined ? {} : { draining }),
})
const context = contextOf()
const at = (revision: number) => ({ case: 'revision', value: BigInt(revision) }) as const

/** What a handler is called with: the fields that matter. */
type Asked = Readonly<Record<string, unknown>>

const askerOf = (served: ReturnType<typeof servedLog>) => {
  const { handlers } = served
  const call =
    <Name extends keyof typeof handlers>(name: Name) =>
    async (request: Asked, by: CallContext = context) => {
      const handler = handlers[name] as (request: unknown, context: CallContext) => ReturnType<(typeof handlers)[Name]>
      return await handler({ clinic: 'north', witnessed: false, key: { case: undefined }, ...request }, by)
    }
  return {
    checkpoint: call('getCheckpoint'),
    inclusion: call('proveInclusion'),
    consistency: call('proveConsistency'),
    receipt: call('awaitReceipt'),
  }
}

const publishedLog = (entries: number, published = entries) => {
  const log = memoryLog()
  log.add(entries)
  log.publish(published)
  const served = servedLog(log)
  return { log, served, ask: askerOf(served) }
}

const reasonOf = async (call: Promise<unknown>): Promise<string> => (await caught(call)).reason

t.test('the checkpoint is told with how far the ledger and the tree are ahead of it', async (t) => {
  const { log, served, ask } = publishedLog(300, 290)
  const answer = await ask.checkpoint({})
  const note = String(answer.checkpoint?.note)
  t.match(readCheckpoint(note, log.vkey()), { size: 290 })
  t.match(answer, {
    checkpoint: { size: 290n, witnesses: { length: 0 }, quorum: false },
    sequenced: 300n,
    integrated: 300n,
    verifierKeys: [log.vkey()],
  })
  t.ok(Buffer.from(answer.checkpoint?.rootHash ?? []).equals(log.root(290)))
  t.notOk(Object.hasOwn(answer, 'witnessed'))
  t.equal(served.handedOut.length, 1)
})

t.test('every inclusion proof of every size verifies, by revision and by id; none is given for what is not published', async (t) => {
  const { log, served, ask } = publishedLog(40, 33)
  for (let size = 1; size <= 33; size += 1) {
    for (let revision = 0; revision < size; revision += 1) {
      const { leafIndex, treeSize, hashes = [], rootHash } = await ask.inclusion({ key: at(revision), treeSize: BigInt(size) })
      const leaf = leafHash(log.bytes(revision))
      const root = log.root(size)
      const proven = verifyInclusion({
        leafHash: leaf,
        index: leafIndex as bigint,
        size: treeSize as bigint,
        proof: hashes as Buffer[],
        root,
      })
      if (!proven || !root.equals(rootHash ?? Buffer.alloc(0))) t.fail(`${revision} in ${size}`)
    }
  }
  const id = log.entries[7]?.id.toUpperCase() as string
  t.match(await ask.inclusion({ key: { case: 'id', value: id } }), { leafIndex: 7n, treeSize: 33n })
  const refusals: readonly (readonly [Asked, string, string?])[] = [
    [{ key: at(33) }, 'NOT_PUBLISHED'],
    [{ key: at(33), treeSize: 33n }, 'INVALID_ARGUMENT', 'tree_size'],
    [{ key: at(5), treeSize: 5n }, 'INVALID_ARGUMENT', 'tree_size'],
    [{ key: at(0), treeSize: 0n }, 'INVALID_ARGUMENT', 'tree_size'],
    [{ key: at(5), treeSize: 34n }, 'TREE_SIZE_UNKNOWN'],
    [{ key: at(5), treeSize: 2n ** 64n - 1n }, 'TREE_SIZE_UNKNOWN'],
    [{ key: at(40) }, 'ENTRY_UNKNOWN'],
    [{ key: { case: 'revision', value: 2n ** 64n - 1n } }, 'ENTRY_UNKNOWN'],
    [{ key: { case: 'id', value: randomUUID() } }, 'ENTRY_UNKNOWN'],
    [{ key: { case: 'id', value: 'seven' } }, 'INVALID_ARGUMENT', 'id'],
    [{}, 'INVALID_ARGUMENT', 'key'],
  ]
  for (const [request, reason, field] of refusals) {
    const refused: ChartwardenError = await caught(ask.inclusion(request))
    t.strictSame(
      [refused.reason, refused.fields[0]?.field],
      [reason, field],
      JSON.stringify(request, (_, value) => String(value)),
    )
  }
  t.strictSame(served.damages, [])
  t.equal(served.handedOut.length, 0, 'a proof carries no signature, so nobody holds anything against us by it')
})

t.test('every consistency proof between published sizes verifies; sizes that no tree has are refused', async (t) => {
  const { log, ask } = publishedLog(40, 33)
  for (let second = 1; second <= 33; second += 1) {
    for (let first = 1; first <= second; first += 1) {
      const { hashes = [] } = await ask.consistency({ firstSize: BigInt(first), secondSize: BigInt(second) })
      const [firstRoot, secondRoot] = [log.root(first), log.root(second)]
      const claim = { firstSize: BigInt(first), secondSize: BigInt(second), firstRoot, secondRoot, proof: hashes as Buffer[] }
      if (!verifyConsistency(claim)) t.fail(`${first} to ${second}`)
    }
  }
  t.match(await ask.consistency({ firstSize: 7n }), { firstSize: 7n, secondSize: 33n })
  for (const [request, reason] of [
    [{ firstSize: 0n }, 'INVALID_ARGUMENT'],
    [{ firstSize: 0n, secondSize: 0n }, 'INVALID_ARGUMENT'],
    [{ firstSize: 8n, secondSize: 7n }, 'INVALID_ARGUMENT'],
    [{ firstSize: 7n, secondSize: 34n }, 'TREE_SIZE_UNKNOWN'],
    [{ firstSize: 34n }, 'TREE_SIZE_UNKNOWN'],
  ] as const) {
    t.equal(
      await reasonOf(ask.consistency(request)),
      reason,
      JSON.stringify(request, (_, value) => String(value)),
    )
  }
})

t.test('tiles and entries that were edited never become a proof', async (t) => {
  const { log, served, ask } = publishedLog(700)
  const proofs = [
    () => ask.inclusion({ key: at(3) }),
    () => ask.inclusion({ key: at(3), treeSize: 500n }),
    () => ask.consistency({ firstSize: 500n }),
    () => ask.receipt({ key: at(3) }),
  ]
  const edited = Buffer.alloc(32, 9)
  const levelAbove = (hashes: Buffer): Buffer => Buffer.concat([edited, hashes.subarray(32)])
  log.editTile({ level: 1, index: 0n }, levelAbove)
  for (const proof of proofs) t.equal(await reasonOf(proof()), 'LOG_DAMAGED', 'a hash above the leaves')
  log.mendTiles()
  for (const proof of proofs) await proof()
  log.editTile({ level: 0, index: 2n }, () => undefined)
  t.equal(await reasonOf(ask.inclusion({ key: at(3) })), 'LOG_DAMAGED', 'a tile that is gone')
  log.mendTiles()
  log.editTile({ level: 0, index: 0n }, (hashes) => Buffer.concat([hashes.subarray(0, 128), edited, hashes.subarray(160)]))
  served.published.damaged('north', 'so that the tile is read again')
  t.equal(await reasonOf(ask.inclusion({ key: at(3) })), 'LOG_DAMAGED', 'a leaf beside the one asked for')
  log.mendTiles()
  await ask.receipt({ key: at(3) })
  log.editEntry(3, Buffer.from('another, "time":"2026-11-23T08:00:00.000Z"'))
  t.equal(await reasonOf(ask.receipt({ key: at(3) })), 'LOG_DAMAGED', 'an entry that was edited')
  t.equal(await reasonOf(ask.inclusion({ key: at(3) })), 'LOG_DAMAGED')
  t.match(served.damages.at(-1), { clinic: 'north', what: /revision 3 is not the one that was signed/ })
  await ask.receipt({ key: at(4) })
})

t.test('a receipt waits for its checkpoint and is complete in itself', async (t) => {
  const { log, served, ask } = publishedLog(10, 4)
  const waiting = ask.receipt({ key: at(7) })
  await waitFor('the wait', () => log.waiting() === 1)
  log.publish(6)
  t.equal(log.waiting(), 1, 'a checkpoint that does not cover it ends nothing')
  log.publish(9)
  const { receipt = '', entry, treeSize, verifierKeys } = await waiting
  t.ok(checkReceipt(receipt, log.bytes(7), log.vkey()))
  t.notOk(checkReceipt(receipt, Buffer.from('another'), log.vkey()), 'twin')
  t.match(parseTlogProof(receipt), { index: 7n })
  t.match(entry, { id: log.entries[7]?.id, revision: 7n })
  t.equal(treeSize, 9n)
  t.strictSame(verifierKeys, [log.vkey()])
  t.equal(served.handedOut.length, 1)
  t.ok(checkReceipt((await ask.receipt({ key: at(0) })).receipt ?? '', log.bytes(0), log.vkey()), 'at once')
})

t.test('whoever stops waiting leaves nothing behind', async (t) => {
  const { log, ask } = publishedLog(10, 4)
  const [gone, stopping] = [new AbortController(), new AbortController()]
  const cancelled = caught(ask.receipt({ key: at(7) }, contextOf(gone.signal)))
  const drained = caught(ask.receipt({ key: at(7) }, contextOf(undefined, stopping.signal)))
  await waitFor('both to wait', () => log.waiting() === 2)
  gone.abort()
  stopping.abort()
  t.equal((await cancelled).reason, 'CALL_CANCELLED')
  t.equal((await drained).reason, 'SHUTTING_DOWN')
  t.equal(log.waiting(), 0)
  const meanwhile = caught(ask.receipt({ key: at(7) }))
  await waitFor('one more to wait', () => log.waiting() === 1)
  log.halt('tiles_differ')
  t.match(await meanwhile, { reason: 'NOT_PUBLISHED', message: /tiles_differ/ }, 'nor on for one that is halted meanwhile')
  const halted = await caught(ask.receipt({ key: at(7) }))
  t.match(halted, { reason: 'NOT_PUBLISHED', message: /tiles_differ/ }, 'nobody waits for a log that is halted')
  await ask.receipt({ key: at(3) })
})

t.test('a hundred who wait for one clinic cost a few reads', async (t) => {
  const { log, ask } = publishedLog(600, 4)
  const waiting = Array.from({ length: 100 }, (_, count) => ask.receipt({ key: at(100 + count * 5) }))
  await waitFor('all to wait', () => log.waiting() === 100)
  const { checkpoint, tiles } = log.calls
  log.publish()
  const receipts = await Promise.all(waiting)
  t.ok(receipts.every(({ receipt = '' }, count) => checkReceipt(receipt, log.bytes(100 + count * 5), log.vkey())))
  t.ok(log.calls.checkpoint - checkpoint <= 2, `${log.calls.checkpoint - checkpoint} reads of the checkpoint`)
  t.ok(log.calls.tiles - tiles <= 10, `${log.calls.tiles - tiles} reads of tiles`)
})

t.test('what is not there is told apart', async (t) => {
  const log = memoryLog()
  log.add(3)
  const ask = askerOf(servedLog(log))
  t.equal(await reasonOf(ask.checkpoint({})), 'NOT_PUBLISHED')
  t.equal(await reasonOf(ask.inclusion({ key: at(0) })), 'NOT_PUBLISHED')
  t.equal(await reasonOf(ask.receipt({ key: at(0), witnessed: true })), 'WITNESSES_OFF')
  log.forget()
  t.equal(await reasonOf(ask.checkpoint({})), 'NOT_PUBLISHED')
  t.equal(await reasonOf(ask.checkpoint({ clinic: 'nowhere' })), 'CLINIC_NOT_ALLOWED')
  t.equal(await reasonOf(askerOf(servedLog(log, { signs: false })).checkpoint({})), 'LOG_OFF')
  t.equal(await reasonOf(askerOf(servedLog(log, { signs: false })).receipt({ key: at(0) })), 'LOG_OFF')
})

t.test('a checkpoint signed by a key that has retired is served with that key; one of a stranger is damage', async (t) => {
  const { log } = publishedLog(5)
  const newer = memoryLog()
  const both = askerOf(servedLog(log, { verifierKeys: async () => [...(await newer.verifierKeys()), ...(await log.verifierKeys())] }))
  t.strictSame((await both.checkpoint({})).verifierKeys, [log.vkey()])
  const stranger = servedLog(log, { verifierKeys: newer.verifierKeys })
  t.equal(await reasonOf(askerOf(stranger).checkpoint({})), 'LOG_DAMAGED')
  t.match(stranger.damages, [{ what: /not signed by a key of the log/ }])
})

t.test('cosignatures of configured witnesses go with the note; those of others do not', async (t) => {
  const [keyA, keyB, keyC] = [signingKey('a'), signingKey('b'), signingKey('c')]
  const names = ['a.example', 'b.example', 'c.example']
  const vkeys = [keyA, keyB, keyC].map(({ privateKey }, place) => formatVerifierKey(cosignerKeyOf(names[place] as string, privateKey)))
  const policy = parseWitnessPolicy(
    `witness A ${vkeys[0]} https://a.example/\nwitness B ${vkeys[1]} https://b.example/\ngroup both all A B\nquorum both\n`,
  ) as WitnessPolicy
  const log = memoryLog()
  log.add(20)
  log.publish(5)
  const ask = askerOf(servedLog(log, { policy }))
  const cosign = (place: number, spoil = (text: string) => text): void => {
    const { privateKey } = [keyA, keyB, keyC][place] as typeof keyA
    const name = names[place] as string
    log.cosign((text) => ({ witness: name, line: formatSignature(signCosignature(spoil(text), name, privateKey, 1_795_000_000n)) }))
  }
  cosign(0)
  cosign(1, (text) => text.replace('\n5\n', '\n6\n'))
  cosign(2)
  const { checkpoint, witnessed } = await ask.checkpoint({})
  t.match(checkpoint, { witnesses: ['A'], quorum: false })
  t.equal(witnessed, undefined)
  t.match(String(checkpoint?.note), /\u2014 a\.example /)
  t.notMatch(String(checkpoint?.note), /b\.example|c\.example/, 'a false line and a stranger’s stay away')
  const waiting = ask.receipt({ key: at(4), witnessed: true })
  const other = ask.receipt({ key: at(4), witnessed: true })
  const gone = new AbortController()
  const cancelled = caught(ask.receipt({ key: at(4), witnessed: true }, contextOf(gone.signal)))
  await waitFor('the witnesses to be looked for', () => log.calls.cosigned > 3)
  gone.abort()
  t.equal((await cancelled).reason, 'CALL_CANCELLED')
  let answered = false
  const both = Promise.all([waiting, other]).finally(() => {
    answered = true
  })
  cosign(1)
  await waitFor('both to be answered', () => answered)
  const [{ receipt = '', treeSize }, same] = await both
  t.equal(treeSize, 5n)
  t.equal(same.receipt, receipt)
  t.ok(checkReceipt(receipt, log.bytes(4), log.vkey()))
  t.match(receipt, /\u2014 b\.example /)
  log.publish(20)
  const newest = await ask.checkpoint({})
  t.match(newest.checkpoint, { size: 20n, witnesses: { length: 0 }, quorum: false })
  t.match(newest.witnessed, { size: 5n, witnesses: ['A', 'B'], quorum: true }, 'the newest that they cosigned')
  t.equal((await ask.receipt({ key: at(4), witnessed: true })).treeSize, 5n)
  t.equal((await ask.receipt({ key: at(4) })).treeSize, 20n)
})
