import { Command } from 'commander'
import { systemLedger } from '../../services/audit/ledger.ts'
import type { Fault } from '../../services/audit/log/verify/fault.ts'
import type { LedgerReport } from '../../services/audit/log/verify/report.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { parseClinic } from '../input/parsers.ts'
import { printable } from '../output/printable.ts'
import type { Act } from '../program.ts'
import type { Session } from '../session.ts'
import { type AnchorOptions, anchorsOf, type GivenAnchors, readAnchors, requireClinicOf, sentence } from '../verify/read-anchors.ts'
import { faultLines, jsonText, reportJson, reportText } from '../verify/report-text.ts'
import { trackProgress } from '../verify/track-progress.ts'
import { verifyFile } from '../verify/verify-file.ts'
import { checkByService, type OwnCheck, verifyService } from '../verify/verify-service.ts'

interface VerifyOptions extends AnchorOptions {
  readonly clinic?: string
  readonly database?: true
  readonly entry?: string
  readonly httpAddress?: string
  readonly state?: true
  readonly projections?: true
}

const usage = (message: string): ChartwardenError => new ChartwardenError('INVALID_ARGUMENT', { message })

/** Throws INVALID_ARGUMENT for options that do not go together. */
const requireOneSource = ({ clinic, database, entry, httpAddress, state, projections }: VerifyOptions, file: string | undefined): void => {
  if (file !== undefined && (clinic !== undefined || database)) throw usage('Name a file, or a clinic of a service or database, not both.')
  if (file === undefined && clinic === undefined && !database) throw usage('Say what to check: --clinic <id>, --database, or a file.')
  if (entry !== undefined && file === undefined) throw usage('--entry belongs to the file of a receipt.')
  const service = file === undefined && !database
  if (!service && (state || projections)) throw usage('--state and --projections are compared by a running service: name the clinic alone.')
  if (!service && httpAddress !== undefined) throw usage('--http-address is that of a running service: name the clinic alone.')
}

const worst = (outcomes: readonly LedgerReport['outcome'][]): Outcome =>
  outcomes.includes('damaged') ? 'damaged' : outcomes.includes('unchecked') ? 'unchecked' : 'ok'

const verifyInDatabase = async (session: Session, clinic: string | undefined, anchors: GivenAnchors): Promise<readonly LedgerReport[]> => {
  const { verifyDatabase } = await import('../../services/verify-database.ts')
  const { createLogger } = await import('../../services/kernel/logging.ts')
  const logger = createLogger({ level: 'warn', destination: { write: (line) => session.io.err.write(line) } })
  const all = [...anchors.checkpoints, ...anchors.receipts.map(({ checkpoint }) => checkpoint)]
  const unnamed = all.find((checkpoint) => checkpoint.clinic === undefined)
  if (unnamed !== undefined) throw usage(`${sentence(unnamed.label)} is of the log ${unnamed.origin}, which is not that of a clinic.`)
  if (clinic !== undefined) requireClinicOf(clinic, anchors)
  const anchored = all.map((checkpoint) => checkpoint.clinic as string)
  let stop = (): void => undefined
  const onLedger = (of: string, entries: bigint) => {
    stop()
    const tracked = trackProgress(session, `Entries of ${of}`, entries)
    stop = tracked.stop
    return tracked.onProgress
  }
  const reports: LedgerReport[] = []
  const options = {
    environment: session.io.environment,
    logger,
    clinic,
    anchorsOf: (of: string) => anchorsOf(anchors, of),
    anchored,
    onLedger,
  }
  try {
    for await (const report of verifyDatabase(options)) {
      stop()
      if (!session.json) await session.print(reportText(report))
      reports.push(report)
    }
  } finally {
    stop()
  }
  return reports
}

/** Why a part was not compared although the ledger is whole. */
const notYet = {
  'kept state': 'None is kept yet: one is kept for every 1,000 entries that change it, so that the service starts faster.',
  'read models': 'They are still being built: call again.',
} as const

const ownCheckText = ({ wished, state, projections, faults, moreFaults, entry }: OwnCheck): string => {
  const compared = [...(state ? ['kept state'] : []), ...(projections ? ['read models'] : [])].join(' and ') || 'nothing'
  const left = [
    ...(wished.state && !state ? (['kept state'] as const) : []),
    ...(wished.projections && !projections ? (['read models'] as const) : []),
  ]
  const lines = [
    `By the service itself: ${compared} compared with the ledger${entry === undefined ? '' : `, recorded as entry ${entry.id}`}.`,
    ...faults.flatMap((fault: Fault) => faultLines(fault)),
    ...(moreFaults ? ['  - and more than these.'] : []),
    ...(faults.length === 0 ? ['  No fault.'] : []),
    ...left.map(
      (part) =>
        `  Not compared: the ${part}. ${faults.length > 0 ? 'The ledger is damaged: there is nothing whole to compare with.' : notYet[part]}`,
    ),
  ]
  return `${lines.map(printable).join('\n')}\n`
}

interface OwnAnswer {
  readonly own?: OwnCheck
  /** Why it did not compare. */
  readonly refused?: ChartwardenError
}

/** What the service says of itself. That a damaged ledger keeps it from comparing must not hide the damage. */
const ownCheckOf = async (session: Session, clinic: string, wishes: OwnCheck['wished'], report: LedgerReport): Promise<OwnAnswer> => {
  try {
    return { own: await checkByService(session, clinic, wishes) }
  } catch (thrown) {
    if (report.outcome !== 'damaged' || !(thrown instanceof ChartwardenError)) throw thrown
    return { refused: thrown }
  }
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

export const verifyCommand = (act: Act): Command =>
  new Command('verify')
    .description(
      'Check that a ledger is what was signed, and say against what: on a running service (--clinic), straight in its database (--database), in an evidence bundle, or one entry against its receipt.',
    )
    .argument('[file]', 'an evidence bundle, or a receipt (.tlog-proof) with its entry in --entry')
    .option('--clinic <id>', 'the clinic', parseClinic)
    .option('--database', 'read the database of CHARTWARDEN_FEED_DATABASE_URL or DATABASE_URL itself; without --clinic, every ledger in it')
    .option('--trusted-checkpoint <file>', 'a checkpoint that you kept; may be repeated', collect)
    .option('--receipt <file>', 'a receipt that you kept; may be repeated', collect)
    .option('--key <vkey>', 'verifier key of the log that you trust, or @ and a file of them, one a line; may be repeated', collect)
    .option('--policy <file>', 'witnesses that you trust, and how many of them must have cosigned (C2SP tlog-policy)')
    .option('--entry <file>', 'the entry that the receipt is of: its exact bytes, or its line of `ledger read`')
    .option('--http-address <host:port>', 'HTTP address of the service (default: CHARTWARDEN_HTTP_ADDR, else 127.0.0.1:8080)')
    .option('--state', 'have the service fold the state again and compare what it keeps')
    .option('--projections', 'have the service compare its read models with the ledger')
    .action(
      act(async (session, command) => {
        const options = command.opts<VerifyOptions>()
        const [file] = command.args
        requireOneSource(options, file)
        const { clinic, database, httpAddress, state = false, projections = false } = options
        const anchors = await readAnchors(options)
        if (database) {
          const ledgers = await verifyInDatabase(session, clinic, anchors)
          // The operator's own ledger is nobody's record of care, and has no log: only what is wrong with it counts.
          const outcomes = ledgers
            .filter((each) => each.clinic !== systemLedger || each.outcome === 'damaged')
            .map(({ outcome }) => outcome)
          if (session.json) await session.print(jsonText({ ledgers: ledgers.map(reportJson) }))
          return outcomes.length === 0 ? 'unchecked' : worst(outcomes)
        }
        if (file !== undefined) {
          const report = await verifyFile(session, { path: file, anchors, entry: options.entry })
          await session.print(session.json ? jsonText({ ledgers: [reportJson(report)] }) : reportText(report))
          return worst([report.outcome])
        }
        if (clinic === undefined) throw usage('Name the clinic.')
        requireClinicOf(clinic, anchors)
        const report = await verifyService(session, { clinic, anchors: anchorsOf(anchors, clinic), httpAddress })
        const checks = state || projections
        const { own, refused }: OwnAnswer = checks ? await ownCheckOf(session, clinic, { state, projections }, report) : {}
        if (session.json) {
          const more = { ...(own === undefined ? {} : { own }), ...(refused === undefined ? {} : { ownRefused: refused.reason }) }
          await session.print(jsonText({ ledgers: [reportJson(report)], ...more }))
        } else {
          const said =
            refused === undefined ? '' : `By the service itself: not compared, ${printable(refused.message)} (${refused.reason})\n`
          await session.print(`${reportText(report)}${own === undefined ? said : ownCheckText(own)}`)
        }
        return worst([report.outcome, own !== undefined && own.faults.length > 0 ? 'damaged' : 'verified'])
      }),
    )
