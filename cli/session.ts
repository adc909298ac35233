import type { Command } from 'commander'
import type { Scope } from '../services/kernel/scopes.ts'
import { givenToken } from './bearer-token.ts'
import { type Connection, createConnection } from './connection.ts'
import { developmentToken } from './development-token.ts'
import type { Outcome } from './exit-codes.ts'
import { type Io, tell, write } from './io.ts'
import { tellNotes } from './output/notes.ts'
import { developmentSetting } from './settings.ts'
import { type ClientTls, clientTls, type TransportOptions } from './tls.ts'
import { unknownVariables } from './unknown-variables.ts'

/** Options every command takes. */
export interface GlobalOptions extends TransportOptions {
  readonly json?: true
  readonly address?: string
  readonly token?: string
  readonly timeout?: number
  readonly verbose?: true
}

export interface ConnectNeeds {
  /** Clinics the token must reach; a development token names them and no others. */
  readonly clinics: readonly string[]
  /** Scopes a development token is made with. */
  readonly scopes: readonly Scope[]
  /** `sub` of a development token; defaults to `chartwarden-cli`. */
  readonly subject?: string
  /** host:port of a service in this very process: plaintext to it leaves no machine. Undefined: the session's own address. */
  readonly ownService?: string
}

/** What the body of a command works with. */
export interface Session {
  readonly io: Io
  readonly json: boolean
  /** Writes a result to stdout. */
  print(text: string): Promise<void>
  /** Writes a line for people to stderr. */
  note(line: string): Promise<void>
  connect(needs: ConnectNeeds): Promise<Connection>
  /** The same token, for calls over HTTP to an address, host:port; and how it may be called. */
  overHttp(address: string, needs: ConnectNeeds): Promise<HttpAccess>
  /** Where the service is looked for, host:port. */
  readonly address: string
  /** Where development keys are looked for. */
  readonly stateDirectory: string
}

export interface HttpAccess {
  /** host:port */
  readonly address: string
  readonly token: string
  readonly tls: ClientTls
  /** Time for one answer, in milliseconds. */
  readonly timeoutMs: number
}

export type Body = (session: Session, command: Command) => Promise<Outcome>

const defaultTimeoutSeconds = 30
const developmentTokenSeconds = 900

/** An address to listen on, as one to call. */
const callable = (address: string): string => address.replace(/^0\.0\.0\.0(?=:)/, '127.0.0.1').replace(/^\[::\](?=:)/, '[::1]')

/** Runs the body of a command and closes what it opened. */
export const runBody = async (io: Io, command: Command, body: Body): Promise<Outcome> => {
  const options = command.optsWithGlobals<GlobalOptions>()
  const connections: Connection[] = []
  const note = (line: string): Promise<void> => tell(io, `${line}\n`)

  const token = async (needs: ConnectNeeds): Promise<string> => {
    const given = await givenToken(options.token, io.environment)
    if (given !== undefined) return given
    const made = await developmentToken(io, { ...needs, seconds: developmentTokenSeconds })
    if (options.verbose) await note(`Made a development token for ${needs.clinics.join(', ') || 'no clinic'}: ${needs.scopes.join(' ')}`)
    return made
  }

  const address = callable(options.address ?? developmentSetting(io.environment, 'CHARTWARDEN_GRPC_ADDR'))

  const session: Session = {
    io,
    address,
    stateDirectory: developmentSetting(io.environment, 'CHARTWARDEN_STATE_DIR'),
    json: options.json ?? false,
    print: (text) => write(io.out, text),
    note,
    overHttp: async (given, needs) => {
      const at = callable(given)
      const tls = await clientTls(at, options, io.environment)
      return { address: at, token: await token(needs), tls, timeoutMs: (options.timeout ?? defaultTimeoutSeconds) * 1000 }
    },
    connect: async (needs) => {
      // Only here: commands that run or look after a service refuse such variables themselves.
      if (connections.length === 0) await tellNotes(session, unknownVariables(io.environment))
      const tls = needs.ownService === undefined ? await clientTls(address, options, io.environment) : undefined
      const connection = createConnection({
        address: needs.ownService === undefined ? address : callable(needs.ownService),
        token: await token(needs),
        ...(tls === undefined ? {} : { tls }),
        timeoutMs: (options.timeout ?? defaultTimeoutSeconds) * 1000,
      })
      connections.push(connection)
      return connection
    },
  }
  try {
    return await body(session, command)
  } finally {
    for (const connection of connections) connection.close()
  }
}
