import { Command } from 'commander'
import type { Io } from '../io.ts'
import { count } from '../output/describe.ts'
import type { Act } from '../program.ts'

/** What the work says meanwhile, as the service's own log lines. */
const loggerTo = async (io: Io) => {
  const { createLogger } = await import('../../services/kernel/logging.ts')
  return createLogger({ level: 'info', destination: { write: (line) => io.err.write(line) } })
}

// Loaded only when it is run: no other command should wait for a whole service to be read.
const work = () => import('../../services/database.ts')

const migrateCommand = (act: Act): Command =>
  new Command('migrate')
    .description(
      'Bring the schema of a database server up to date as CHARTWARDEN_MIGRATE_DATABASE_URL, before the services of a release start; they then need not hold that login.',
    )
    .action(
      act(async (session) => {
        const { migrateDatabase } = await work()
        const applied = await migrateDatabase(session.io.environment, await loggerTo(session.io))
        await session.print(session.json ? `${JSON.stringify({ applied })}\n` : `${['The schema is up to date.', ...applied].join('\n')}\n`)
        return 'ok'
      }),
    )

const upgradeCommand = (act: Act): Command =>
  new Command('upgrade')
    .description(
      'Bring the embedded database in CHARTWARDEN_STATE_DIR to the PostgreSQL of this release, with its service stopped. Every row is compared; the old database is kept.',
    )
    .option('--old-server <directory>', 'where "npm install --prefix" put the programs of the PostgreSQL that made the data')
    .action(
      act(async (session, command) => {
        const { oldServer } = command.opts<{ readonly oldServer?: string }>()
        const { upgradeDatabase } = await work()
        const { environment, clock, randomness } = session.io
        const logger = await loggerTo(session.io)
        const outcome = await upgradeDatabase({ environment, oldServer, logger, clock, randomness })
        if (session.json) await session.print(`${JSON.stringify(outcome)}\n`)
        else if (outcome.kind === 'current') await session.print(`The database is of PostgreSQL ${outcome.major} already.\n`)
        else {
          const { from, to, rows, kept } = outcome
          await session.print(
            `Upgraded from PostgreSQL ${from} to ${to}: ${count(rows, 'row', 'rows')}, each compared. The reports are built again at the next start.\nThe old database is kept in ${kept}; delete it when the new one has been backed up.\n`,
          )
        }
        return 'ok'
      }),
    )

export const databaseCommand = (act: Act): Command =>
  new Command('database').description('Look after the database.').addCommand(migrateCommand(act)).addCommand(upgradeCommand(act))
