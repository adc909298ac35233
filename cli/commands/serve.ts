import { Command } from 'commander'
import type { Act } from '../program.ts'

/** Variables that only the command line reads; the service refuses what it does not know. */
const commandLineOnly: ReadonlySet<string> = new Set(['CHARTWARDEN_TOKEN'])

export const serveCommand = (act: Act): Command =>
  new Command('serve').description('Run the service until SIGTERM or SIGINT. It is configured by CHARTWARDEN_* variables only.').action(
    act(async (session) => {
      const { runService } = await import('../../services/main.ts')
      const variables = Object.entries(session.io.environment).filter(([name]) => !commandLineOnly.has(name))
      await runService(Object.fromEntries(variables))
      return 'ok'
    }),
  )
