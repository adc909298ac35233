/**
 * What sealing costs the decisions: two services with an embedded Postgres each, one that integrates, signs and publishes as it does by
 * default and one without a signer store, under the same load in turn.
 */
import pg from 'pg'
import { askOnce, registerClinics } from '../clinics.ts'
import { createLedgerGrowth } from '../ledger-growth.ts'
import { runJob } from '../load/client.ts'
import type { JobResult } from '../load/jobs.ts'
import { clinicName, drawQuestions, type Practice, personName } from '../load/questions.ts'
import { processorMsOf } from '../processor-time.ts'
import { type BenchService, serviceDatabase, startService } from '../service.ts'

export interface SealingSettings {
  readonly rounds: number
  readonly secondsEach: number
  /** Its patients and questions; clinics and people are this part's own. */
  readonly practice: Practice
  readonly streamInFlight: number
}

export interface SealingSide {
  /** Decisions a second of one CheckStream. */
  readonly perSecond: number
  /** Processor time of the service and its database for one of them, milliseconds; undefined where the system does not tell. */
  readonly processorMs: number | undefined
}

export interface SealingRound {
  readonly on: SealingSide
  readonly off: SealingSide
}

export interface SealingOptions {
  readonly settings: SealingSettings
  readonly stateDirs: Readonly<Record<keyof SealingRound, string>>
  readonly say: (text: string) => void
}

const warmUpMs = 700
/** As many as one round of publishing takes, and all of them busy at once; few people in each, since making those takes time. */
const busy = { clinics: 256, people: 3 }
/** Of the questions; the same for both. */
const seed = 2

const prepare = async (service: BenchService, { practice: given, streamInFlight, secondsEach }: SealingSettings) => {
  const practice = { ...given, ...busy }
  const people = Array.from({ length: practice.people }, (_, index) => personName(index))
  const clinics = Array.from({ length: practice.clinics }, (_, index) => clinicName(index))
  await registerClinics(
    service,
    clinics.map((clinic) => ({ clinic, people })),
  )
  await askOnce(service, drawQuestions(practice, seed))
  const database = new pg.Pool({ connectionString: service.adminUrl(serviceDatabase), max: 2 })
  const growth = createLedgerGrowth(database)
  const token = service.token(clinics, ['access.check'])
  const timing = { warmUpMs, measureMs: secondsEach * 1_000 }
  return {
    measure: async (): Promise<JobResult & SealingSide> => {
      let processorMs: number | undefined
      const result = await growth.during(
        async () => {
          const before = processorMsOf(service.pid)
          const done = await runJob({
            kind: 'stream',
            address: service.address,
            token,
            practice,
            seed,
            inFlight: streamInFlight,
            ...timing,
          })
          const after = processorMsOf(service.pid)
          const answers = [...done.answers.values()].reduce((sum, each) => sum + each, 0)
          processorMs = before === undefined || after === undefined ? undefined : (after - before) / answers
          return done
        },
        ({ answers }) => answers,
      )
      await growth.waitForReadModels()
      return { ...result, processorMs }
    },
    /** Entries under a signed checkpoint, of all that there are. */
    published: async (): Promise<readonly [published: number, entries: number]> => {
      const { rows } = await database.query<{ published: string; entries: string }>(
        `select coalesce(sum(c.size), 0) as published, sum(h.revision + 1) as entries from chartwarden_ledger.heads h
         left join lateral (select max(size) as size from chartwarden_log.checkpoints c where c.clinic = h.clinic) c on true`,
      )
      return [Number(rows[0]?.published), Number(rows[0]?.entries)]
    },
    close: () => database.end(),
  }
}

export const measureSealing = async ({ settings, stateDirs, say }: SealingOptions): Promise<readonly SealingRound[]> => {
  await using stack = new AsyncDisposableStack()
  const open = async (name: keyof SealingRound) => {
    const environment = name === 'off' ? { CHARTWARDEN_SIGNER_DIR: 'off' } : {}
    const service = await startService({ stateDir: stateDirs[name], environment })
    stack.defer(() => service.stop())
    const prepared = await prepare(service, settings)
    stack.defer(prepared.close)
    return prepared
  }
  const sides = { on: await open('on'), off: await open('off') }
  for (const side of [sides.on, sides.off]) await side.measure()
  const rounds: SealingRound[] = []
  for (let index = 0; index < settings.rounds; index += 1) {
    const [first, second] = index % 2 === 0 ? (['on', 'off'] as const) : (['off', 'on'] as const)
    const measured = [await sides[first].measure(), await sides[second].measure()] as const
    const [on, off] = first === 'on' ? measured : [measured[1], measured[0]]
    rounds.push({ on, off })
    const told = ({ perSecond, p99Ms, processorMs }: JobResult & SealingSide): string =>
      `${Math.round(perSecond)} a second (p99 ${Math.round(p99Ms)} ms, ${Math.round(1_000 * (processorMs ?? 0))} µs of processor time each)`
    say(`round ${index + 1}: ${told(on)} with sealing, ${told(off)} without`)
  }
  const [[sealed, entries], [unsealed]] = [await sides.on.published(), await sides.off.published()]
  if (sealed < 0.9 * entries || unsealed > 0)
    throw new Error(`of ${entries} entries ${sealed} were sealed with sealing on, and ${unsealed} with it off`)
  return rounds
}
