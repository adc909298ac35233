import { Command } from 'commander'
import { formatVerifierKey, parseVerifierKey, type VerifierKey } from '../../../services/audit/log/note.ts'
import { parseTrustedLogs } from '../../../services/audit/log/witness/trusted-logs.ts'
import type { WitnessEvent } from '../../../services/audit/log/witness/witness.ts'
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

/** What a person should hear of an answer; undefined: nothing out of the ordinary. */
const warningOf = ({ answer, origin, size, lastSize, evidence }: WitnessEvent): string | undefined => {
  const log = printable(origin ?? '')
  switch (answer) {
    case 'fork':
      return `FORK: ${log} has signed two different histories of ${count(size ?? 0n, 'entry', 'entries')}. The proof is in ${evidence}. Keep it, and tell the clinic.`
    case 'not_proven':
      return `REFUSED: ${log} has signed a checkpoint of ${count(size ?? 0n, 'entry', 'entries')} that does not continue the one of ${lastSize ?? 0n}. Tell the clinic.`
    case 'conflict':
      return size !== undefined && lastSize !== undefined && size < lastSize
        ? `ROLLED BACK: ${log} shows a checkpoint of ${count(size, 'entry', 'entries')}; it has shown ${lastSize} before. Tell the clinic.`
        : undefined
    case 'not_signed':
      return `Refused a checkpoint of ${log}: it bears no right signature of a key given with --log.`
    case 'cosigned':
    case 'malformed':
    case 'old_size_too_large':
    case 'unknown_origin':
      return undefined
    default:
      return answer satisfies never
  }
}

const tellAnswer = async (session: Session, verbose: boolean, event: WitnessEvent): Promise<void> => {
  const time = new Date(session.io.clock.wall()).toISOString()
  const { answer, origin, size, evidence } = event
  const warning = warningOf(event)
  if (warning === undefined && !verbose) return
  if (session.json) {
    const sizes = { ...(size === undefined ? {} : { size: String(size) }), ...(evidence === undefined ? {} : { evidence }) }
    await session.note(JSON.stringify({ time, answer, ...(origin === undefined ? {} : { origin }), ...sizes }))
    return
  }
  await session.note(
    `${time} ${warning ?? `${answer.replaceAll('_', ' ')} ${printable(origin ?? '')} ${size === undefined ? '' : count(size, 'entry', 'entries')}`.trimEnd()}`,
  )
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
    .option('--listen <host:port>', 'where it is reached', parseListenAddress, { host: '127.0.0.1', port: 8090 })
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
        const { readWitnessStatus } = await import('../../../services/audit/log/witness/run-witness.ts')
        const witness = await runWitness({
          directory: options.stateDir,
          name: options.name,
          logs,
          address: options.listen,
          tls,
          clock: session.io.clock,
          onAnswer: (event) => void tellAnswer(session, options.verbose === true, event),
          onFault: (error) => void session.note(`A checkpoint could not be kept: ${printable(String(error))}`),
        })
        try {
          const { key, newKey, port } = witness
          const url = options.url ?? `${tls === undefined ? 'http' : 'https'}://${formatHostPort({ ...options.listen, port })}`
          const { forks } = await readWitnessStatus(options.stateDir)
          const records = new Map(witness.records().map((record) => [record.origin, record] as const))
          if (session.json) {
            const seen = [...records.values()].map((record) => recordJson(record, forks))
            const facts = { name: key.name, verifier_key: formatVerifierKey(key.verifierKey), new_key: newKey, url, port }
            await session.print(`${JSON.stringify({ ...facts, policy: policyLines(key, url), logs: [...logs.keys()], cosigned: seen })}\n`)
          } else {
            const watched = [...logs.keys()].map((origin) => {
              const record = records.get(origin)
              const seen =
                record === undefined
                  ? 'nothing seen yet'
                  : `${count(record.head.size, 'entry', 'entries')}, cosigned ${secondsText(record.cosignedAt)}`
              return `  ${printable(origin)}: ${seen}`
            })
            await session.print(
              [
                `The witness ${printable(key.name)} listens on ${url}${newKey ? '; its key was made now' : ''}.`,
                'It watches:',
                ...watched,
                'Give these lines to the clinic, for the file that CHARTWARDEN_WITNESS_POLICY names:',
                ...policyLines(key, printable(url)).map((line) => `  ${line}`),
                '',
              ].join('\n'),
            )
          }
          for (const file of forks.values()) await session.note(`FORK: ${file} proves that a log has signed two different histories.`)
          await untilStopped((stop) => new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true })))
        } finally {
          await witness.close()
        }
        return 'ok'
      }),
    )
