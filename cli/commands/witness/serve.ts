import { once } from 'node:events'
import { Command, Option } from 'commander'
import { formatVerifierKey, parseVerifierKey, type VerifierKey } from '../../../services/audit/log/note.ts'
import type { RunningWitness } from '../../../services/audit/log/witness/run-witness.ts'
import { parseTrustedLogs } from '../../../services/audit/log/witness/trusted-logs.ts'
import { formatHostPort, type HostPort } from '../../../services/kernel/host-port.ts'
import { StartError } from '../../../services/kernel/start-error.ts'
import { readTls, type TlsMaterial } from '../../../services/kernel/tls.ts'
import { parseListenAddress } from '../../input/parsers.ts'
import { readText } from '../../input/read-text.ts'
import { count } from '../../output/describe.ts'
import { printable } from '../../output/printable.ts'
import type { Act } from '../../program.ts'
import type { Session } from '../../session.ts'
import { untilStopped } from '../../until-stopped.ts'
import { policyLines, recordJson, secondsText } from './describe.ts'
import { createTellAnswer } from './tell-answer.ts'

interface ServeOptions {
  readonly stateDir: string
  readonly listen: HostPort
  readonly log: readonly string[]
  readonly name?: string
  readonly url?: string
  readonly certificate?: string
  readonly privateKey?: string
  readonly verbose?: true
}

const readLogs = async (given: readonly string[]): Promise<ReadonlyMap<string, readonly VerifierKey[]>> => {
  const texts = await Promise.all(given.map((text) => (parseVerifierKey(text) === undefined ? readText(text) : text)))
  const logs = parseTrustedLogs(texts)
  if (typeof logs === 'string') throw new StartError(`${logs}.`)
  if (logs.size === 0) throw new StartError('The files of --log name no log.')
  return logs
}

const readCertificate = async ({ certificate, privateKey }: ServeOptions): Promise<TlsMaterial | undefined> => {
  if (certificate === undefined && privateKey === undefined) return undefined
  if (certificate === undefined || privateKey === undefined) throw new StartError('--certificate and --private-key belong together.')
  return readTls({ certFile: certificate, keyFile: privateKey })
}

/** Who it is, what it watches, and what the clinic needs to know. */
const greet = async (session: Session, witness: RunningWitness, facts: { readonly url: string; readonly origins: readonly string[] }) => {
  const { key, newKey, port } = witness
  const { url, origins } = facts
  const forks = await witness.forks()
  const records = new Map(witness.records().map((record) => [record.origin, record] as const))
  if (session.json) {
    const made = {
      name: key.name,
      verifier_key: formatVerifierKey(key.verifierKey),
      new_key: newKey,
      url,
      port,
      policy: policyLines(key, url),
    }
    const cosigned = [...records.values()].map((record) => recordJson(record, forks))
    return session.print(`${JSON.stringify({ ...made, logs: origins, cosigned })}\n`)
  }
  const watched = origins.map((origin) => {
    const record = records.get(origin)
    const seen = record && `${count(record.head.size, 'entry', 'entries')}, cosigned ${secondsText(record.cosignedAt)}`
    return `  ${printable(origin)}: ${seen ?? 'nothing seen yet'}`
  })
  const lines = [
    `The witness ${printable(key.name)} listens on ${printable(url)}${newKey ? '; its key was made now' : ''}.`,
    'It watches:',
    ...watched,
    'Give these lines to the clinic, for the file that CHARTWARDEN_WITNESS_POLICY names:',
    ...policyLines(key, printable(url)).map((line) => `  ${line}`),
    ...[...forks.values()].map((file) => `FORK: ${printable(file)} proves that a log has signed two different histories.`),
  ]
  return session.print(`${lines.join('\n')}\n`)
}

export const serveWitnessCommand = (act: Act): Command =>
  new Command('serve')
    .description(
      'Run a witness until it is stopped (Ctrl-C). The first start makes its key. What it says of a log that forks or goes back is printed at once.',
    )
    .requiredOption('--state-dir <directory>', 'where its key and what it has seen are kept; never restore this from a backup')
    .requiredOption(
      '--log <key>',
      'verifier key of a log, or a file of such keys, one a line; may be given several times',
      (text: string, before: readonly string[] = []) => [...before, text],
    )
    .option('--name <name>', 'what the witness is called in its signatures, such as a host name of yours; needed at the first start')
    .addOption(
      new Option('--listen <host:port>', 'where it is reached')
        .argParser(parseListenAddress)
        .default({ host: '127.0.0.1', port: 8090 }, '127.0.0.1:8090'),
    )
    .option('--url <url>', 'how the clinic reaches it, for the lines that are printed (default: where it listens)')
    .option('--certificate <file>', 'PEM certificate, to be reached over TLS')
    .option('--private-key <file>', 'PEM key of that certificate')
    .action(
      act(async (session, command) => {
        const options = command.optsWithGlobals<ServeOptions>()
        const tls = await readCertificate(options)
        const logs = await readLogs(options.log)
        // Loaded only here: no other command should wait for an HTTP server to be read.
        const { runWitness } = await import('../../../services/audit/log/witness/run-witness.ts')
        await untilStopped(async (stop) => {
          const tellAnswer = createTellAnswer(session, options.verbose === true)
          const witness = await runWitness({
            directory: options.stateDir,
            name: options.name,
            logs,
            address: options.listen,
            tls,
            clock: session.io.clock,
            onAnswer: (event) => void tellAnswer(event),
            onFault: (error) => void session.note(`A checkpoint could not be kept: ${printable(String(error))}`),
          })
          try {
            const address = formatHostPort({ ...options.listen, port: witness.port })
            const url = options.url ?? `${tls === undefined ? 'http' : 'https'}://${address}`
            await greet(session, witness, { url, origins: [...logs.keys()] })
            if (!stop.aborted) await once(stop, 'abort')
          } finally {
            await witness.close()
          }
        })
        return 'ok'
      }),
    )
