/**
 * People leave through several replicas of a service while all of them answer checks about those people. What the ledger and the answers say
 * of it afterwards is promise 2, whatever the replicas are.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Decision } from '../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { AccessDecided, StaffOffboarded } from '../../services/access/events.ts'
import { openEnvelope } from '../../services/audit/entry.ts'
import { type Clients, hire, readRecord, registerTestClinic, staff } from './clinic.ts'

export interface OffboardingRace {
  readonly clinic: string
  /** Makes the clinic, and reads its ledger at the end. */
  readonly reader: Clients
  readonly replicas: readonly Pick<Clients, 'access' | 'people'>[]
  /** How many people leave. */
  readonly leavers: number
  /** Questions in flight at each replica; defaults to 12. */
  readonly lanes?: number
}

/** What must be empty, or 0, if promise 2 holds. Codes, counts and places only. */
export interface RaceFindings {
  readonly gaps: number
  /** Offboardings that do not stand in the ledger exactly once. */
  readonly notOnce: number
  /** Revisions of permits behind their person's offboarding. */
  readonly permitsAfter: readonly bigint[]
  /** Answers that do not stand in the ledger as they were given. */
  readonly different: readonly string[]
  /** Permits answered for a place behind an offboarding that had been acknowledged. */
  readonly late: readonly bigint[]
  /** People without a permit before or a deny after: the race did not reach them. */
  readonly untouched: number
  readonly answers: number
}

interface Answered {
  readonly person: string
  readonly revision: bigint
  readonly decision: Decision
}

interface Ledger {
  readonly decisions: ReadonlyMap<string, { readonly data: AccessDecided; readonly revision: bigint }>
  /** By pseudonym. */
  readonly leftAt: ReadonlyMap<string, bigint>
  readonly offboardings: number
  readonly gaps: number
  readonly size: bigint
}

const readLedger = async ({ audit }: Clients, clinic: string): Promise<Ledger> => {
  const decisions = new Map<string, { readonly data: AccessDecided; readonly revision: bigint }>()
  const leftAt = new Map<string, bigint>()
  let [size, gaps, offboardings] = [0n, 0, 0]
  for await (const { item } of audit.readEntries({ clinic })) {
    if (item.case !== 'entry') continue
    const { revision, type, id, canonical } = item.value
    if (revision !== size) gaps += 1
    size = revision + 1n
    const { data } = openEnvelope(canonical)
    if (type === 'chartwarden.access.decided.v1') decisions.set(id, { data: data as unknown as AccessDecided, revision })
    if (type === 'chartwarden.staff.offboarded.v1') {
      offboardings += 1
      leftAt.set((data as unknown as StaffOffboarded).subject.pseudonym, revision)
    }
  }
  return { decisions, leftAt, offboardings, gaps, size }
}

/** Long enough for whatever else lives in this process, a double of a server among it. */
const turnMs = 5

/** More changes of one clinic at once only make each other decide again. */
const eightAtATime = async (people: readonly string[], change: (person: string, index: number) => Promise<unknown>): Promise<void> => {
  const waiting = people.entries()
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const [index, person] of waiting) await change(person, index)
    }),
  )
}

/** Registers the clinic, hires the people, and goes on until each of them was permitted before leaving and denied after. */
export const raceOffboardings = async (race: OffboardingRace): Promise<RaceFindings> => {
  const { clinic, reader, replicas, lanes = 12 } = race
  const leavers = Array.from({ length: race.leavers }, (_, index) => `leaver-${index}`)
  await registerTestClinic(reader, clinic)
  await eightAtATime(leavers, (id) => hire(reader, clinic, id))

  const answered = new Map<string, Answered>()
  const permitted = new Set<string>()
  const denied = new Set<string>()
  let stop = false
  const hammer = async ({ access }: Pick<Clients, 'access'>, first: number): Promise<void> => {
    for (let index = first; !stop; index += 7) {
      const person = leavers[index % leavers.length] as string
      const { decision, entry } = await access.check(readRecord(clinic, person))
      answered.set(entry?.id ?? '', { person, decision, revision: entry?.revision ?? -1n })
      ;(decision === Decision.PERMIT ? permitted : denied).add(person)
    }
  }
  const hammering = replicas.flatMap((replica, which) =>
    Array.from({ length: lanes }, (_, lane) => hammer(replica, which * 100 + lane * 13)),
  )
  // Lanes end when they are stopped, or by a fault: then nobody waits for people whom they no longer ask about.
  const hammered = Promise.all(hammering)
  const everybody = async (people: ReadonlySet<string>): Promise<void> => {
    while (people.size < leavers.length) await Promise.race([delay(turnMs), hammered])
  }
  const acknowledged = new Map<string, bigint>()
  try {
    await everybody(permitted)
    const leaving = eightAtATime(leavers, async (person, index) => {
      const { people } = replicas[index % replicas.length] as Pick<Clients, 'people'>
      const { entry } = await people.offboard({ requestId: randomUUID(), clinic, subject: staff(person) })
      acknowledged.set(person, entry?.revision ?? -1n)
    })
    await Promise.race([leaving, hammered])
    await everybody(denied)
  } finally {
    stop = true
  }
  await hammered

  const { decisions, leftAt, offboardings, gaps, size } = await readLedger(reader, clinic)
  const stored = [...decisions.values()]
  const untouched = [...leftAt].filter(([person, left]) => {
    const ofPerson = stored.filter(({ data }) => data.subject.pseudonym === person)
    const before = ofPerson.some(({ data, revision }) => data.decision === 'permit' && revision < left)
    const after = ofPerson.some(({ data, revision }) => data.reason_code === 'offboarded' && revision > left)
    return !before || !after
  })
  return {
    gaps,
    notOnce: Math.abs(leavers.length - leftAt.size) + (offboardings - leftAt.size),
    permitsAfter: stored
      .filter(({ data, revision }) => data.decision === 'permit' && revision > (leftAt.get(data.subject.pseudonym) ?? size))
      .map(({ revision }) => revision),
    different: [...answered]
      .filter(([id, { decision, revision }]) => {
        const entry = decisions.get(id)
        return entry?.revision !== revision || (entry.data.decision === 'permit') !== (decision === Decision.PERMIT)
      })
      .map(([id]) => id),
    late: [...answered.values()]
      .filter(({ person, decision, revision }) => decision === Decision.PERMIT && revision > (acknowledged.get(person) ?? size))
      .map(({ revision }) => revision),
    untouched: untouched.length,
    answers: answered.size,
  }
}
