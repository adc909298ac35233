/**
 * Sessions of a signer store in every order that a scheduler finds: claims in the middle of each other's writes, sessions that pause for as
 * long as it takes another to claim and wake then, processes that die anywhere, half-written lines among it.
 */
import fc from 'fast-check'
import t from 'tap'
import { createDirectorySignerStore } from '../../../../services/audit/log/directory-signer-store.ts'
import { retireOrigin } from '../../../../services/audit/log/signer/operate.ts'
import type { SignerFiles } from '../../../../services/audit/log/signer/signer-files.ts'
import type { SignerSession, SignerStore } from '../../../../services/audit/log/signer-store.ts'
import { createMemorySignerFiles, type MemoryDisk, steppedFiles } from '../../../support/memory-signer-files.ts'
import { forkIn, headOf, type Signed } from '../../../support/signed-heads.ts'

t.setTimeout(300_000)

const origins = ['a', 'b', 'retired']

interface Sabotage {
  readonly files?: (files: SignerFiles) => SignerFiles
  readonly session?: (session: SignerSession) => SignerSession
}

interface Process {
  /** For each origin how far it goes, again and again. */
  readonly advances: readonly (readonly [origin: number, by: number, stale: boolean])[]
  /** Operations until it is killed. */
  readonly dies: number
  /** Whether what it was writing then is there in part. */
  readonly torn: boolean
}

const process = fc.record({
  advances: fc.array(fc.tuple(fc.nat(1), fc.integer({ min: 1, max: 3 }), fc.boolean()), { minLength: 1, maxLength: 6 }),
  dies: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.nat(40)),
  torn: fc.boolean(),
})

/** Nothing of a process that was killed goes on. */
const forever = new Promise<never>(() => {})

/** Runs processes over one disk; the fork that came of it, if any, or what else is wrong. */
const run = async (scheduler: fc.Scheduler, processes: readonly Process[], { files: break_, session: weaken }: Sabotage) => {
  const disk: MemoryDisk = new Map()
  const steps: Signed[] = []
  const signed: Signed[] = []
  let retired = false

  const filesOf = (label: string, { dies, torn }: Pick<Process, 'dies' | 'torn'>): SignerFiles => {
    let operations = 0
    const files = createMemorySignerFiles(disk, () => scheduler.schedule(Promise.resolve(), `${label} renames`))
    const dying: SignerFiles = {
      ...files,
      openToAppend: async (name) => {
        const file = await files.openToAppend(name)
        return {
          ...file,
          append: async (bytes) => {
            if (operations < dies) return file.append(bytes)
            if (torn) await file.append(bytes.subarray(0, bytes.length / 2))
            return forever
          },
        }
      },
    }
    const stepped = steppedFiles(dying, async (name) => {
      await scheduler.schedule(Promise.resolve(), `${label} ${name}`)
      operations += 1
      if (operations >= dies && name !== 'append') await forever
    })
    return stepped
  }

  const work = async (index: number, options: Process): Promise<void> => {
    const files = filesOf(`process ${index}`, options)
    const store: SignerStore = createDirectorySignerStore({
      files: break_?.(files) ?? files,
      installation: 'one',
      compactAfter: 300,
    })
    const claim = async () => {
      const session = await store.claim()
      return weaken?.(session) ?? session
    }
    let session = await claim()
    const first = session
    for (const [number, [origin, by, stale]] of options.advances.entries()) {
      const name = origins[origin] as string
      const from = (stale ? first : session).record(name)
      const to = headOf(name, (session.record(name)?.size ?? 0n) + BigInt(by), `${index} ${number}`)
      // Whether or not it comes to a signature: what was recorded for nothing is gone on from all the same.
      const step = { from, to }
      steps.push(step)
      const outcome = await session.advance([step])
      if (outcome.kind === 'superseded') session = await claim()
      if (outcome.kind !== 'recorded') continue
      await scheduler.schedule(Promise.resolve(), `process ${index} signs`)
      signed.push(step)
    }
  }
  const retire = async (): Promise<void> => {
    const files = filesOf('operator', { dies: Number.POSITIVE_INFINITY, torn: false })
    const session = await createDirectorySignerStore({ files, installation: 'one' }).claim()
    const outcome = await session.advance([{ from: undefined, to: headOf('retired', 1n, 'operator') }])
    await session.close()
    if (outcome.kind === 'recorded') retired = (await retireOrigin(files, 'retired', 'damaged')) !== 'unknown'
  }
  const all = [...processes.map((each, index) => work(index, each)), retire()]
  // Those that were killed never end; the others have when the scheduler has nothing left.
  for (const each of all) each.catch(() => undefined)
  await scheduler.waitIdle()

  const end = await createDirectorySignerStore({ files: createMemorySignerFiles(disk), installation: 'one' }).claim()
  const fork = forkIn(steps, [...signed, ...end.records().map((to) => ({ from: undefined, to }))])
  if (fork !== undefined) return fork
  const lost = signed.find(({ to }) => (end.record(to.origin)?.size ?? -1n) < to.size)
  if (lost !== undefined) return `what was signed of ${lost.to.origin} is not recorded`
  return retired && end.record('retired')?.retired === undefined ? 'the word of the operator was lost' : undefined
}

const property = (sabotage: Sabotage = {}) =>
  fc.asyncProperty(fc.scheduler(), fc.array(process, { minLength: 2, maxLength: 4 }), async (scheduler, processes) => {
    const wrong = await run(scheduler, processes, sabotage)
    if (wrong !== undefined) throw new Error(wrong)
  })

t.test('no order of sessions, pauses and deaths signs two heads that do not follow from each other', async () => {
  await fc.assert(property(), { numRuns: 80 })
})

const twins: Readonly<Record<string, Sabotage>> = {
  'a store that does not look for another epoch after its write': {
    files: (files) => {
      let last: readonly string[] = []
      let written = false
      return {
        ...files,
        list: async () => {
          if (written) {
            written = false
            return last
          }
          last = await files.list()
          return last
        },
        openToAppend: async (name) => {
          const file = await files.openToAppend(name)
          return {
            ...file,
            append: async (bytes) => {
              await file.append(bytes)
              written = true
            },
            stillThere: async () => true,
          }
        },
      }
    },
  },
  'two sessions of one epoch': { files: (files) => ({ ...files, create: async (name) => (await files.create(name)) || true }) },
  'heads that are not compared with what is recorded': {
    session: (session) => ({
      ...session,
      advance: (advances) => session.advance(advances.map(({ to }) => ({ from: session.record(to.origin), to }))),
    }),
  },
}

for (const [what, sabotage] of Object.entries(twins)) {
  t.test(`twin: ${what} signs them, and is caught`, async (t) => {
    const details = await fc.check(property(sabotage), { numRuns: 2000, endOnFailure: true })
    t.ok(details.failed, `after ${details.numRuns} runs`)
    t.match(String(details.errorInstance), / and |not recorded/)
  })
}
