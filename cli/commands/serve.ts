import { Command } from 'commander'
import { formatHostPort } from '../../services/kernel/host-port.ts'
import type { Act } from '../program.ts'
import { demonstrate } from './demo.ts'

export const serveCommand = (act: Act): Command =>
  new Command('serve')
    .description(
      'Run the service until SIGTERM or SIGINT. It is configured by CHARTWARDEN_* variables only; CHARTWARDEN_DEMO=true also runs the demo.',
    )
    .action(
      act(async (session) => {
        // Loaded only here: no other command should wait for a whole service to be read.
        const { runService } = await import('../../services/main.ts')
        await runService(session.io.environment, {
          ready: async (service, config) => {
            if (!config.demo) return
            if (config.tls === undefined) await demonstrate(session, formatHostPort({ ...config.grpcAddr, port: service.grpcPort }))
            else await session.note('The service ends TLS itself: run the demo with "chartwarden demo --tls-ca <file>".')
          },
        })
        return 'ok'
      }),
    )
