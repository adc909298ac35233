import { Command } from 'commander'
import type { Scope } from '../../services/kernel/scopes.ts'
import { developmentToken } from '../development-token.ts'
import { parseClinics, parseCount, parseScopes } from '../input/parsers.ts'
import type { Act } from '../program.ts'

interface TokenOptions {
  readonly clinic: readonly string[]
  readonly scope: readonly Scope[]
  readonly subject?: string
  readonly ttl: number
}

export const tokenCommand = (act: Act): Command =>
  new Command('token')
    .description('Make a bearer token with the development key of the state directory, and print it. Development only.')
    .requiredOption('--clinic <id>', 'the clinic it reaches; several are separated by commas', parseClinics)
    .requiredOption('--scope <scopes>', 'what it is for, separated by spaces: "access.check report.read"', parseScopes)
    .option('--subject <id>', 'the calling software: `sub` of the token', 'chartwarden-cli')
    .option('--ttl <seconds>', 'how long it lasts, at most a day', parseCount(86_400), 3600)
    .action(
      act(async (session, command) => {
        const { clinic, scope, subject, ttl } = command.opts<TokenOptions>()
        const token = await developmentToken(session.io, {
          clinics: clinic,
          scopes: scope,
          ...(subject === undefined ? {} : { subject }),
          seconds: ttl,
        })
        await session.print(session.json ? `${JSON.stringify({ token, expires_in: ttl })}\n` : `${token}\n`)
        return 'ok'
      }),
    )
