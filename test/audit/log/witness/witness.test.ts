/** Requests at the same time: what is judged is written before the next is judged, in whatever order the disk is done. */
import fc from 'fast-check'
import t from 'tap'
import { parseCheckpoint } from '../../../../services/audit/log/checkpoint.ts'
import { parseNote } from '../../../../services/audit/log/note.ts'
import { createWitness, type Witness } from '../../../../services/audit/log/witness/witness.ts'
import { makeWitnessKey } from '../../../../services/audit/log/witness/witness-key.ts'
import { systemClock } from '../../../../services/kernel/clock.ts'
import type { NaiveTree } from '../../../support/naive-tree.ts'
import { scratchDirectory } from '../../../support/service.ts'
import { forkedTree, witnessedLog } from '../../../support/witnessed-log.ts'

const entries = 16
const log = witnessedLog('log.example/v1/clinics/north/log', entries)
const histories: readonly NaiveTree[] = [log.tree, forkedTree(entries, 2), forkedTree(entries, 9)]

const request = fc.record({ history: fc.nat(2), from: fc.nat(entries), to: fc.nat(entries), delay: fc.nat(5) })
type Request = typeof request extends fc.Arbitrary<infer Value> ? Value : never

const heads = (notes: readonly string[]) =>
  notes.map((note) => parseCheckpoint(parseNote(note)?.text ?? '') as { readonly size: bigint; readonly root: Buffer })

/** Whether one history has all that was written, in an order that only grows. */
const isOneHistory = (notes: readonly string[]): boolean => {
  const written = heads(notes)
  const grows = written.every(({ size }, index) => index === 0 || size >= (written[index - 1]?.size ?? 0n))
  return grows && histories.some((tree) => written.every(({ size, root }) => tree.root(0n, size).equals(root)))
}

/** Sends all at once, each to the next of the witnesses, over a disk that takes its time; returns what was written, in that order. */
const storm = async (requests: readonly Request[], witnesses: number): Promise<readonly string[]> => {
  const written: string[] = []
  const delays = requests.map(({ delay }) => delay).values()
  const records = {
    read: async () => [],
    keepFork: async () => '',
    write: async ({ note }: { readonly note: string }) => {
      const turns = delays.next().value ?? 0
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve))
      written.push(note)
    },
  }
  const options = { logs: new Map([[log.origin, [log.key]]]), key: await key, records, clock: systemClock }
  const all: readonly Witness[] = await Promise.all(Array.from({ length: witnesses }, () => createWitness(options)))
  await Promise.all(
    requests.map(({ history, from, to }, index) => {
      const body = log.request(from, to, { tree: histories[history]! })
      return all[index % witnesses]!.addCheckpoint(Buffer.from(body, 'utf8'))
    }),
  )
  return written
}

const key = makeWitnessKey(scratchDirectory(t, 'storm'), 'witness.example')

const oneHistory = (witnesses: number) =>
  fc.asyncProperty(fc.array(request, { maxLength: 30 }), async (requests) => {
    const firsts = requests.map((each, index) => (index % 3 === 0 ? { ...each, from: 0 } : each))
    return isOneHistory(await storm(firsts, witnesses))
  })

t.test('whatever comes at the same time, one history is written', async () => {
  await fc.assert(oneHistory(1), { numRuns: 300 })
})

t.test('twin: two witnesses with one key and one disk write two histories, and the property notices', async (t) => {
  await t.rejects(fc.assert(oneHistory(2), { numRuns: 300 }))
})
