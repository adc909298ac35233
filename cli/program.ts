import { Command, CommanderError, Help, type HelpConfiguration, Option } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { backupCommand } from './commands/backup.ts'
import { careTeamCommand } from './commands/care-team.ts'
import { checkCommand } from './commands/check.ts'
import { clinicCommand } from './commands/clinic.ts'
import { concernCommand } from './commands/concern.ts'
import { consentCommand } from './commands/consent.ts'
import { databaseCommand } from './commands/database.ts'
import { demoCommand } from './commands/demo.ts'
import { directoryCommand } from './commands/directory.ts'
import { disclosureCommand } from './commands/disclosure.ts'
import { emergencyCommand } from './commands/emergency.ts'
import { explainCommand } from './commands/explain.ts'
import { exportCommand } from './commands/export.ts'
import { importCommand } from './commands/import.ts'
import { ledgerCommand } from './commands/ledger.ts'
import { logCommand } from './commands/log.ts'
import { offboardCommand } from './commands/offboard.ts'
import { projectionsCommand } from './commands/projections.ts'
import { reportCommand } from './commands/report.ts'
import { restoreCommand } from './commands/restore.ts'
import { roleCommand } from './commands/role.ts'
import { serveCommand } from './commands/serve.ts'
import { settingsCommand } from './commands/settings.ts'
import { shareCommand } from './commands/share.ts'
import { simulateCommand } from './commands/simulate.ts'
import { staffCommand } from './commands/staff.ts'
import { tokenCommand } from './commands/token.ts'
import { verifyCommand } from './commands/verify.ts'
import { whatCanCommand } from './commands/what-can.ts'
import { whoCanCommand } from './commands/who-can.ts'
import { witnessCommand } from './commands/witness.ts'
import type { Outcome } from './exit-codes.ts'
import { type Failure, failureJson, failureOf, failureText } from './failure.ts'
import { parseCount } from './input/parsers.ts'
import { type Io, tell } from './io.ts'
import { type Body, runBody } from './session.ts'

/** Makes a command's body into what commander calls. */
export type Act = (body: Body) => (...parameters: readonly unknown[]) => Promise<void>

/** The command itself and every one below it. */
export const everyCommand = (command: Command): Command[] => [command, ...command.commands.flatMap(everyCommand)]

const plainHelp = new Help()

const help: HelpConfiguration = {
  showGlobalOptions: true,
  optionDescription: (option) => `${plainHelp.optionDescription(option)}${option.mandatory ? ' (required)' : ''}`,
}

/** The command line as data: nothing runs before it is parsed. */
export const createProgram = (act: Act): Command => {
  const program = new Command('chartwarden')
    .description('Access control and audit log for clinics: every answer is a durable entry before it is given.')
    .version(packageJson.version)
    .option('--json', 'machine-readable output: results as JSON on stdout, errors as JSON on stderr')
    .option('--address <host:port>', 'gRPC address of the service (default: CHARTWARDEN_GRPC_ADDR, else 127.0.0.1:50051)')
    .option('--token <token>', 'bearer token, or @file that holds it (default: CHARTWARDEN_TOKEN, else a development token)')
    .option('--tls', 'call over TLS and trust the certificate authorities that Node brings')
    .option('--tls-ca <file>', 'call over TLS and trust the certificate authorities in this PEM file')
    .option('--tls-cert <file>', 'show this PEM certificate to a service that asks for one (default: CHARTWARDEN_CLIENT_CERT_FILE)')
    .option('--tls-key <file>', 'PEM key of that certificate (default: CHARTWARDEN_CLIENT_KEY_FILE)')
    .addOption(
      new Option('--insecure', 'send the token in the clear to another machine; without it, or TLS, that is refused').conflicts([
        'tls',
        'tlsCa',
        'tlsCert',
        'tlsKey',
      ]),
    )
    .option('--timeout <seconds>', 'how long one call may take, or a stream be silent (default: 30)', parseCount(86_400))
    .option('--verbose', 'say on stderr what is done besides')
  for (const make of [
    serveCommand,
    demoCommand,
    tokenCommand,
    clinicCommand,
    importCommand,
    exportCommand,
    checkCommand,
    explainCommand,
    whoCanCommand,
    whatCanCommand,
    simulateCommand,
    staffCommand,
    roleCommand,
    settingsCommand,
    offboardCommand,
    careTeamCommand,
    shareCommand,
    directoryCommand,
    consentCommand,
    emergencyCommand,
    disclosureCommand,
    concernCommand,
    reportCommand,
    ledgerCommand,
    logCommand,
    verifyCommand,
    databaseCommand,
    backupCommand,
    restoreCommand,
    projectionsCommand,
    witnessCommand,
  ]) {
    program.addCommand(make(act))
  }
  for (const command of everyCommand(program)) command.configureHelp(help)
  return program
}

/** Runs one command line (without the program's name) and says how it ended. Never throws and never ends the process. */
export const runCommandLine = async (argv: readonly string[], io: Io): Promise<Outcome> => {
  let outcome: Outcome = 'ok'
  const act: Act =
    (body) =>
    async (...parameters) => {
      outcome = await runBody(io, parameters.at(-1) as Command, body)
    }
  const program = createProgram(act)
  for (const command of everyCommand(program)) {
    command.exitOverride().configureOutput({
      writeOut: (text) => io.out.write(text),
      writeErr: (text) => io.err.write(text),
      // Said once, below, in the form that was asked for.
      outputError: () => {},
    })
  }
  const json = argv.includes('--json')
  const say = (failure: Failure): Promise<void> => tell(io, json ? failureJson(failure) : failureText(failure))
  try {
    await program.parseAsync(argv, { from: 'user' })
    return outcome
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      // Help and version are asked for, and end here too; help in place of a missing command is a usage error that has been shown.
      if (thrown.exitCode === 0) return 'ok'
      if (thrown.code !== 'commander.help') {
        await say({ reason: 'USAGE', message: thrown.message.replace(/^error: /, '').replace(/\s+/g, ' '), fields: [], outcome: 'usage' })
      }
      return 'usage'
    }
    const failure = failureOf(thrown, { verbose: argv.includes('--verbose') })
    await say(failure)
    return failure.outcome
  }
}
