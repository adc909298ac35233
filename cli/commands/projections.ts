import { Command } from 'commander'
import type { ProjectionLag } from '../../services/projections/lag.ts'
import type { Io } from '../io.ts'
import { count } from '../output/describe.ts'
import { table } from '../output/table.ts'
import type { Act } from '../program.ts'

// Loaded only when it is run: no other command should wait for the read models to be read.
const withReadModels = async <Result>(
  io: Io,
  work: Parameters<typeof import('../../services/read-models.ts').withReadModels<Result>>[2],
) => {
  const { withReadModels: open } = await import('../../services/read-models.ts')
  const { createLogger } = await import('../../services/kernel/logging.ts')
  return open(io.environment, createLogger({ level: 'warn', destination: { write: (line) => io.err.write(line) } }), work)
}

/** `62 %, 41,200 entries/s, 90 s left`. */
const buildingText = ({ building }: ProjectionLag): string => {
  if (building === undefined) return ''
  const { applied, total, entriesPerSecond, secondsLeft } = building
  const share = total === 0n ? 100 : Number((applied * 100n) / total)
  const left = secondsLeft === undefined ? '' : `, ${secondsLeft} s left`
  return `${share} %, ${Math.round(entriesPerSecond)} entries/s${left}`
}

const columns = [
  { name: 'read model', value: (lag: ProjectionLag) => lag.name },
  { name: 'version', value: (lag: ProjectionLag) => String(lag.version) },
  { name: 'state', value: (lag: ProjectionLag) => lag.state },
  { name: 'behind', value: (lag: ProjectionLag) => String(lag.entries) },
  { name: 'seconds', value: (lag: ProjectionLag) => String(Math.round(lag.seconds)) },
  { name: 'parked', value: (lag: ProjectionLag) => String(lag.parked) },
  { name: 'being built', value: buildingText },
]

const json = (value: unknown): string =>
  `${JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? Number(member) : member))}\n`

const statusCommand = (act: Act): Command =>
  new Command('status')
    .description('Each read model: how far behind it is, what was parked, and how far one that is being built has come.')
    .action(
      act(async (session) => {
        const { projections } = await withReadModels(session.io, (models) => models.status())
        await session.print(session.json ? json({ projections }) : table(columns, projections))
        return 'ok'
      }),
    )

const rebuildCommand = (act: Act): Command =>
  new Command('rebuild')
    .description('Build read models anew from the ledger, beside the rows that answer reports meanwhile. A running service does the work.')
    .argument('<name...>', 'as `status` names them')
    .action(
      act(async (session, command) => {
        const begun = await withReadModels(session.io, (models) => models.rebuild(command.args))
        const lines = begun.map(({ projection, generation }) => `${projection} is being built as generation ${generation}.\n`)
        if (session.json) await session.print(json({ begun }))
        else await session.print(lines.length > 0 ? lines.join('') : 'Every one of them is being built already.\n')
        return 'ok'
      }),
    )

const replayCommand = (act: Act): Command =>
  new Command('replay')
    .description(
      'Try parked entries again: applied where their order does not matter, otherwise the read model is built anew. A running service does the work.',
    )
    .action(
      act(async (session) => {
        const projections = await withReadModels(session.io, (models) => models.replay())
        if (session.json) await session.print(json({ projections }))
        else if (projections.length === 0) await session.print('Nothing is parked.\n')
        else
          await session.print(
            `${count(projections.length, 'read model has', 'read models have')} parked entries, which are tried again: ${projections.join(', ')}.\n`,
          )
        return 'ok'
      }),
    )

export const projectionsCommand = (act: Act): Command =>
  new Command('projections')
    .description('Look after the read models that reports are answered from, over CHARTWARDEN_FEED_DATABASE_URL.')
    .addCommand(statusCommand(act))
    .addCommand(rebuildCommand(act))
    .addCommand(replayCommand(act))
