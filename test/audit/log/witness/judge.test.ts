/** The heart of the witness: over whatever it is asked, in whatever order, it never cosigns two histories. */
import fc from 'fast-check'
import t from 'tap'
import { parseAddCheckpoint, type ReceivedCheckpoint } from '../../../../services/audit/log/witness/add-checkpoint.ts'
import { type CosignedHead, judge, type Verdict } from '../../../../services/audit/log/witness/judge.ts'
import type { NaiveTree } from '../../../support/naive-tree.ts'
import { forkedTree, witnessedLog } from '../../../support/witnessed-log.ts'

const entries = 24
const log = witnessedLog('log.example/v1/clinics/north/log', entries)
/** The true history, one that leaves it early, one that leaves it late, and one that shares nothing with it. */
const histories: readonly NaiveTree[] = [log.tree, forkedTree(entries, 3), forkedTree(entries, 16), forkedTree(entries, 0)]

const received = (body: string): ReceivedCheckpoint => {
  const request = parseAddCheckpoint(Buffer.from(body, 'utf8'))
  if (request === undefined) throw new Error('the test has written a request that is none')
  return request
}

interface Move {
  readonly history: number
  /** Size the proof begins at; undefined: that of the head cosigned last. */
  readonly from: number | undefined
  readonly to: number
  /** History that the proof is taken from. */
  readonly proofOf: number
}

const move = fc.record({
  history: fc.nat(histories.length - 1),
  from: fc.option(fc.nat(entries), { nil: undefined, freq: 4 }),
  to: fc.nat(entries),
  proofOf: fc.nat(histories.length - 1),
})

/** Plays the moves and returns every head that was cosigned. */
const play = (moves: readonly Move[], decide: typeof judge): readonly CosignedHead[] => {
  const cosigned: CosignedHead[] = []
  for (const { history, from, to, proofOf } of moves) {
    const last = cosigned.at(-1)
    const start = from ?? Number(last?.size ?? 0n)
    const proof = start === 0 || start >= to ? [] : histories[proofOf]!.proof(0n, BigInt(start), 0n, BigInt(to))
    const request = received(log.request(start, to, { tree: histories[history]!, proof }))
    if (decide({ request, keys: [log.key], last }).kind === 'cosign')
      cosigned.push({ size: request.checkpoint.size, root: request.checkpoint.root })
  }
  return cosigned
}

/** Two heads are consistent when one history has both. */
const consistent = (one: CosignedHead, other: CosignedHead): boolean =>
  histories.some((tree) => [one, other].every(({ size, root }) => tree.root(0n, size).equals(root)))

const keepsOneHistory = (decide: typeof judge) =>
  fc.property(fc.array(move, { maxLength: 25 }), (moves) => {
    const cosigned = play(moves, decide)
    return cosigned.every(
      (head, index) => index === 0 || (consistent(cosigned[index - 1]!, head) && head.size >= cosigned[index - 1]!.size),
    )
  })

t.test('whatever it is asked, in whatever order, every head it cosigns continues those before it', async () => {
  fc.assert(keepsOneHistory(judge), { numRuns: 2_000 })
})

t.test('twin: without the check of consistency it cosigns a fork, and the property notices', async (t) => {
  const careless: typeof judge = (question) => {
    const verdict = judge(question)
    return verdict.kind === 'fork' || verdict.kind === 'not_proven' ? { kind: 'cosign' } : verdict
  }
  t.throws(() => fc.assert(keepsOneHistory(careless), { numRuns: 2_000 }))
})

t.test('twin: without comparing the old size it goes back, and the property notices', async (t) => {
  const forgetful: typeof judge = (question) => {
    const verdict = judge(question)
    return verdict.kind === 'conflict' ? { kind: 'cosign' } : verdict
  }
  t.throws(() => fc.assert(keepsOneHistory(forgetful), { numRuns: 2_000 }))
})

t.test('an honest log is cosigned at every step', async () => {
  fc.assert(
    fc.property(fc.array(fc.nat(entries), { minLength: 1, maxLength: 20 }), (sizes) => {
      const rising = [...sizes].sort((a, b) => a - b)
      return play(
        rising.map((to) => ({ history: 0, from: undefined, to, proofOf: 0 })),
        judge,
      ).every(({ size }, index) => size === BigInt(rising[index]!))
    }),
    { numRuns: 300 },
  )
})

const at = (size: number, tree = log.tree): CosignedHead => ({ size: BigInt(size), root: tree.root(0n, BigInt(size)) })
const empty = Buffer.from('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=', 'base64')
const stranger = witnessedLog(log.origin)
const one = Buffer.alloc(32, 1)

const verdicts: readonly (readonly [what: string, body: string, last: CosignedHead | undefined, verdict: Verdict])[] = [
  ['the first head of a log', log.request(0, 9), undefined, { kind: 'cosign' }],
  ['the empty log', log.request(0, 0), undefined, { kind: 'cosign' }],
  ['the empty log twice', log.request(0, 0), { size: 0n, root: empty }, { kind: 'cosign' }],
  ['the first entries after the empty log', log.request(0, 9), { size: 0n, root: empty }, { kind: 'cosign' }],
  ['the same head again', log.request(9, 9), at(9), { kind: 'cosign' }],
  ['growth with its proof', log.request(9, 20), at(9), { kind: 'cosign' }],
  ['growth from a power of two', log.request(16, 20), at(16), { kind: 'cosign' }],
  ['an empty log with another root', log.request(0, 0, { note: log.headOf(0n, one).note }), undefined, { kind: 'not_proven' }],
  ['another root for the empty log', log.request(0, 0, { note: log.headOf(0n, one).note }), { size: 0n, root: empty }, { kind: 'fork' }],
  ['a proof where none can be', log.request(0, 9, { proof: [one] }), undefined, { kind: 'not_proven' }],
  ['another root of the same size', log.request(9, 9, { tree: histories[3]! }), at(9), { kind: 'fork' }],
  ['the same head with a proof', log.request(9, 9, { proof: [one] }), at(9), { kind: 'not_proven' }],
  ['growth without a proof', log.request(9, 20, { proof: [] }), at(9), { kind: 'not_proven' }],
  ['growth of another history', log.request(9, 20, { tree: histories[1]! }), at(9), { kind: 'not_proven' }],
  ['a head that is older than the old size', log.request(9, 8), at(9), { kind: 'old_size_too_large' }],
  ['an old size that is too small', log.request(0, 20), at(9), { kind: 'conflict', size: 9n }],
  ['an old size that is too large', log.request(10, 20), at(9), { kind: 'conflict', size: 9n }],
  ['an old size of a log never seen', log.request(10, 20), undefined, { kind: 'conflict', size: 0n }],
  ['an older head', log.request(5, 8), at(9), { kind: 'conflict', size: 9n }],
  ['a head signed by somebody else', stranger.request(0, 9), undefined, { kind: 'not_signed' }],
]

for (const [what, body, last, verdict] of verdicts) {
  t.test(`${what}: ${verdict.kind}`, async (t) => {
    t.same(judge({ request: received(body), keys: [log.key], last }), verdict)
  })
}

t.test('a log that is not watched is told so before its signature is looked at', async (t) => {
  t.same(judge({ request: received(stranger.request(0, 9)), keys: undefined, last: undefined }), { kind: 'unknown_origin' })
})

t.test('a trusted signature that fails refuses the note though another is right', async (t) => {
  const { note } = log.head(9)
  const damaged = note.replace(/(.)(.{3}==?\n)$/s, (_, one: string, rest: string) => `${one === 'A' ? 'B' : 'A'}${rest}`)
  const both = note + (damaged.split('\n\n')[1] ?? '')
  t.not(damaged, note)
  t.same(judge({ request: received(log.request(0, 9, { note: both })), keys: [log.key], last: undefined }), { kind: 'not_signed' })
})
