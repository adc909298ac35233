/**
 * What every projection promises, whatever it keeps: the rows are those of the ledger, each entry once, however it is delivered. Answers which
 * promises are broken, so that a sabotaged one can be shown to be noticed.
 */
import { sql } from 'kysely'
import { positionOf } from '../../services/audit/engines/position.ts'
import type { StoredEntry } from '../../services/audit/ledger.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { applyEntries, type BatchOutcome } from '../../services/projections/apply-entries.ts'
import { onPool } from '../../services/projections/database.ts'
import type { Projection } from '../../services/projections/projection.ts'
import { type LanePlan, planOf, readRegistry } from '../../services/projections/registry.ts'
import { createReportReader } from '../../services/projections/reports/report-reader.ts'
import type { ProjectionHouse } from '../support/projections.ts'

export type Apply = typeof applyEntries

export interface ProjectionContract {
  readonly house: ProjectionHouse
  /** With what it reads, in order. */
  readonly projections: readonly Projection[]
  readonly projection: Projection
  /** Of several clinics, from the first on. */
  readonly entries: readonly StoredEntry[]
  /** Where the ledger is cut, as places in it. */
  readonly cuts: readonly number[]
  /** For a sabotaged one. Defaults to the runner's. */
  readonly apply?: Apply
  /** The promises to look at. Defaults to all. */
  readonly only?: readonly string[]
}

const damages: readonly ((text: string) => unknown)[] = [
  (text) => `${text}\0`,
  () => undefined,
  () => 1e308,
  () => '9999-99-99T99:99:99Z',
  () => 'x'.repeat(9_000),
  () => ({ unexpected: [null] }),
]

/** The data with one of its texts damaged, for every text in it. */
const damaged = (data: Readonly<Record<string, unknown>>): readonly object[] =>
  Object.entries(data).flatMap(([name, value], place) => {
    if (typeof value === 'string') return [{ ...data, [name]: damages[place % damages.length]?.(value) }]
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [{ ...data, [name]: undefined }]
    return damaged(value as Readonly<Record<string, unknown>>).map((inner) => ({ ...data, [name]: inner }))
  })

/** Bytes of another entry in the place of this one. */
const withBytes = (entry: StoredEntry, bytes: string, type = entry.type): StoredEntry => ({ ...entry, type, bytes: Buffer.from(bytes) })

const harmless = 'chartwarden.refusals.summarised.v1'

/** Names of the promises that do not hold. */
export const brokenPromises = async (contract: ProjectionContract): Promise<readonly string[]> => {
  const { house, projections, projection, entries, cuts, apply = applyEntries, only } = contract
  const db = onPool(house.feedPool)
  const tables = projection.tables.map(({ name }) => name)
  const broken: string[] = []

  const planFor = async (members: readonly Projection[]): Promise<LanePlan> => {
    const registry = await readRegistry(db)
    const plan = planOf(registry, projections, registry[0]?.lane ?? '')
    if (plan === undefined) throw new Error('no lane')
    return { ...plan, members: plan.members.filter((member) => members.includes(member.projection)) }
  }
  const parked = async () => {
    const { rows: found } = await house.adminPool.query<{ clinic: string; revision: string; reason: string }>(
      'select clinic, revision, reason from chartwarden_projections.parked where projection = $1 order by clinic, revision',
      [projection.name],
    )
    return found.map(({ clinic, revision, reason }) => `${clinic} ${revision} ${reason}`)
  }
  /** The tables, and what was parked: whatever is parked that could be read is a row that is missing. */
  const rows = async (): Promise<Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>> => ({
    ...Object.fromEntries(await Promise.all(tables.map(async (name) => [name, await house.rows(name)] as const))),
    parked: (await parked()).map((entry) => ({ clinic: entry.split(' ')[0], entry })),
  })
  const ofClinic = (all: Awaited<ReturnType<typeof rows>>, clinic: string) =>
    Object.fromEntries(Object.entries(all).map(([name, some]) => [name, some.filter((row) => row.clinic === clinic)]))
  const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other)
  const placed = (place: number) => (place === 0 ? undefined : positionOf(BigInt(place)))
  const step = (plan: LanePlan, list: readonly StoredEntry[], from: number, to: number, overlap = 0): Promise<BatchOutcome> =>
    apply(db, plan, { entries: list.slice(Math.max(0, from - overlap), to), from: placed(from), to: positionOf(BigInt(to)) })

  /** Applies a list from the beginning, cut at these places. */
  const run = async (list: readonly StoredEntry[], places: readonly number[] = [], overlap = 0, members = projections) => {
    await house.clear()
    const plan = await planFor(members)
    let from = 0
    for (const to of [...new Set([...places, list.length])].filter((place) => place > 0 && place <= list.length).sort((a, b) => a - b)) {
      await step(plan, list, from, to, overlap)
      from = to
    }
    return rows()
  }
  const promise = async (name: string, holds: () => Promise<boolean>): Promise<void> => {
    if (only !== undefined && !only.includes(name)) return
    // Whatever a broken one does to the database, such as writing a row twice, is a promise not held.
    if (!(await holds().catch(() => false))) broken.push(name)
  }

  const expected = await run(entries)
  if ((await parked()).length > 0) broken.push('what can be read is not parked')
  const everywhere = entries.map((_, place) => place + 1)

  await promise('every type it handles is in the ledger', async () =>
    projection.types.every((type) => entries.some((entry) => entry.type === type)),
  )
  await promise(
    'batches of every size',
    async () => same(await run(entries, cuts), expected) && same(await run(entries, everywhere), expected),
  )
  await promise('entries delivered again', async () => same(await run(entries, cuts, 7), expected))
  await promise('a crash after each apply', async () => {
    await house.clear()
    const crashed = new Set<number>()
    let place = 0
    const crashing = projections.map((one) =>
      one.name !== projection.name
        ? one
        : {
            ...one,
            apply: async (...[transaction, events]: Parameters<Projection['apply']>) => {
              await one.apply(transaction, events)
              if (crashed.has(place)) return
              crashed.add(place)
              throw new Error('crash')
            },
          },
    )
    const plan = await planFor(projections)
    const members = plan.members.map(({ row }) => ({ row, projection: crashing.find(({ name }) => name === row.projection) as Projection }))
    let from = 0
    for (const to of [...new Set([...cuts, entries.length])].sort((a, b) => a - b)) {
      place = to
      await step({ ...plan, members }, entries, from, to).catch(() => step({ ...plan, members }, entries, from, to))
      from = to
    }
    return crashed.size > 0 && same(await rows(), expected)
  })
  await promise('a restart that does not know what was committed', async () => {
    await house.clear()
    const plan = await planFor(projections)
    const middle = cuts[0] ?? 1
    await step(plan, entries, 0, middle)
    const again = await step(plan, entries, 0, middle)
    await step(plan, entries, middle, entries.length)
    return again.kind === 'overtaken' && same(await rows(), expected)
  })
  await promise('two runners at once', async () => {
    await house.clear()
    const plan = await planFor(projections)
    // Both have ended, also where one fails: what comes next empties the tables.
    const outcomes = await Promise.allSettled([step(plan, entries, 0, entries.length), step(plan, entries, 0, entries.length)])
    const kinds = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.kind : 'failed'))
    return same(kinds.sort(), ['applied', 'overtaken']) && same(await rows(), expected)
  })
  if (projection.reads !== undefined) {
    await promise('what it reads is ahead', async () => {
      await run(
        entries,
        [],
        0,
        projections.filter((one) => one !== projection),
      )
      await house.adminPool.query(
        'truncate chartwarden_projections.clinic_progress; update chartwarden_projections.lanes set position = null',
      )
      const plan = await planFor([projection])
      let from = 0
      for (const to of [...cuts, entries.length]) {
        await step(plan, entries, from, to)
        from = to
      }
      return same(await rows(), expected)
    })
  }
  await promise('entries nobody can read are parked, and no neighbour suffers', async () => {
    const places = new Set(cuts.map((place) => Math.min(place, entries.length) - 1))
    const types = projection.types
    const poison = entries.map((entry, place) => (places.has(place) ? withBytes(entry, '{"half":', types[place % types.length]) : entry))
    const without = entries.map((entry, place) => (places.has(place) ? withBytes(entry, '{"half":', harmless) : entry))
    const reference = await run(without)
    const found = await run(poison, cuts)
    const expectedParked = [...places].map((place) => `${entries[place]?.clinic} ${entries[place]?.revision} unreadable`)
    const unparked = ({ parked: _, ...kept }: typeof found) => kept
    return same(unparked(found), unparked(reference)) && same([...(await parked())].sort(), expectedParked.sort())
  })
  await promise('content out of bounds harms no other clinic', async () => {
    const last = entries.at(-1)
    if (last === undefined) return false
    const samples = projection.types.flatMap((type) => {
      const sample = entries.find((entry) => entry.type === type)
      if (sample === undefined) return []
      const envelope = JSON.parse(Buffer.from(sample.bytes).toString('utf8')) as { readonly data: Readonly<Record<string, unknown>> }
      return damaged(envelope.data).map((data) => withBytes(sample, JSON.stringify({ ...envelope, data })))
    })
    const strange = samples.map((entry, place) => ({
      ...entry,
      clinic: 'strange',
      id: crypto.randomUUID(),
      revision: BigInt(place),
    }))
    const found = await run([...entries, ...strange], [entries.length])
    const refused = await parked()
    return (
      entries.every(({ clinic }) => same(ofClinic(found, clinic), ofClinic(expected, clinic))) &&
      refused.every((one) => one.startsWith('strange'))
    )
  })
  await promise('an unknown type is parked', async () => {
    const list = entries.map((entry, place) => (place === 0 ? { ...entry, type: 'chartwarden.future.invented.v1' } : entry))
    await run(list)
    return same(await parked(), [`${entries[0]?.clinic} 0 unknown_type`])
  })
  await promise('other clinics do not matter', async () => {
    const clinic = entries[0]?.clinic ?? ''
    const alone = await run(entries.filter((entry) => entry.clinic === clinic))
    return same(alone, ofClinic(expected, clinic))
  })
  await promise('reports see one clinic', async () => {
    await run(entries)
    const reader = createReportReader({ pool: house.queryPool, clock: systemClock, projections })
    for (const { name, query } of projection.tables) {
      for (const clinic of new Set(entries.map((entry) => entry.clinic))) {
        const seen = await reader
          .read(clinic, systemClock.monotonic() + 60_000, async (transaction) => {
            const { rows: found } = await sql<{ clinic: string }>`select clinic from ${sql.table(name)}`.execute(transaction)
            return found.map((row) => row.clinic)
          })
          .catch(() => 'refused' as const)
        if (query === 'hidden' && seen !== 'refused') return false
        if (
          query === 'readable' &&
          !same(
            seen,
            ofClinic(expected, clinic)[name]?.map(() => clinic),
          )
        )
          return false
      }
    }
    return true
  })
  return broken
}
