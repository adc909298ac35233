import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { noState } from '../../services/audit/ledger.ts'
import { appendOf, change, collect, decision, newClinic, openClinic, plain, wholeLedger } from '../support/ledger-entries.ts'
import type { EnginePair } from './ledger.ts'

export const ledgerReadContract = async (t: Test, { first: engine, second }: EnginePair): Promise<void> => {
  const clinic = newClinic()
  const written = Array.from({ length: 30 }, (_, index) => (index % 4 === 0 ? change() : decision()))
  await engine.appendBatch([appendOf(clinic, noState, written)])
  await openClinic(engine)

  await t.test('entries come back in order and exactly as they were, whoever reads', async (t) => {
    const read = await wholeLedger(second, clinic)
    t.same(
      read.map((entry) => plain({ ...entry, recordedAt: 0 })),
      written.map((entry, index) => plain({ ...entry, clinic, revision: BigInt(index), recordedAt: 0 })),
    )
  })

  await t.test('a range takes in both its ends and stops at the head', async (t) => {
    const revisions = async (from: bigint, to: bigint) =>
      (await collect(engine.read(clinic, from, to))).map((entry) => Number(entry.revision))
    t.same(await revisions(3n, 5n), [3, 4, 5])
    t.same(await revisions(7n, 7n), [7])
    t.same(await revisions(28n, 99n), [28, 29])
    t.same(await revisions(-5n, 1n), [0, 1])
    t.same(await revisions(30n, 99n), [])
    t.same(await revisions(5n, 3n), [])
  })

  await t.test('the state is read from the entries that change it, from the revision named on', async (t) => {
    const revisions = async (from: bigint) => (await collect(engine.readState(clinic, from))).map((entry) => Number(entry.revision))
    t.same(await revisions(0n), [0, 4, 8, 12, 16, 20, 24, 28])
    t.same(await revisions(4n), [4, 8, 12, 16, 20, 24, 28])
    t.same(await revisions(25n), [28])
    t.same(await revisions(29n), [])
    t.ok((await collect(engine.readState(clinic, 0n))).every((entry) => entry.stateChanging))
  })

  await t.test('a ledger that does not exist has nothing to read', async (t) => {
    const missing = newClinic()
    t.same(await wholeLedger(engine, missing), [])
    t.same(await collect(engine.readState(missing, 0n)), [])
    t.same(await engine.find(missing, [written[0]!.id]), new Map())
    t.equal(await engine.head(missing), undefined)
  })

  await t.test('entries are found by id; what is unknown or no id is left out', async (t) => {
    const found = await engine.find(clinic, [written[5]!.id, randomUUID(), 'no-id', written[2]!.id, written[5]!.id])
    t.same(new Set(found.keys()), new Set([written[5]!.id, written[2]!.id]))
    t.equal(found.get(written[5]!.id)?.revision, 5n)
    t.equal((await engine.find(clinic, [])).size, 0)
  })

  await t.test('an append is seen by every reader as soon as it is answered', async (t) => {
    const fresh = await openClinic(engine)
    for (let revision = 1n; revision < 10n; revision += 1n) {
      const entry = decision()
      await engine.appendBatch([appendOf(fresh, 0n, [entry])])
      t.same(await second.head(fresh), { revision, stateRevision: 0n })
      t.ok((await second.find(fresh, [entry.id])).has(entry.id))
    }
  })

  await t.test('clinics are listed in order of the bytes of their identifiers, page by page', async (t) => {
    const prefix = `${newClinic('~')}-`
    const names = ['B', 'Z', 'a', 'a-1', 'a1', 'b', 'é', '～', '😀'].map((name) => `${prefix}${name}`)
    for (const name of names.toReversed()) await openClinic(engine, name)
    t.same(await engine.clinics(prefix, 100), names)
    const pages: string[] = []
    for (let page = await engine.clinics(prefix, 2); page.length > 0; page = await engine.clinics(page.at(-1)!, 2)) pages.push(...page)
    t.same(pages, names)
  })

  await t.test('what a reader is given cannot change the ledger', async (t) => {
    const fresh = await openClinic(engine)
    const bytes = Buffer.from('as it was')
    await engine.appendBatch([appendOf(fresh, 0n, [decision({ bytes })])])
    bytes.fill(0)
    t.equal(Buffer.from((await wholeLedger(engine, fresh))[1]!.bytes).toString(), 'as it was')
  })
}
