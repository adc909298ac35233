import { setTimeout as delay } from 'node:timers/promises'
import { Command, InvalidArgumentError, Option } from 'commander'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import type { Outcome } from '../../exit-codes.ts'
import type { Cases } from '../../import-events/cases.ts'
import { codeRules } from '../../import-events/code-rules.ts'
import { type EventFile, openEventFile } from '../../import-events/event-file.ts'
import {
  countLine,
  type Finding,
  findingColumns,
  findingsOf,
  newTally,
  type Tally,
  tallyJson,
  tallyText,
} from '../../import-events/findings.ts'
import { casesOfFile, type EventLine, eventLines } from '../../import-events/import-file.ts'
import { readMappingFile } from '../../import-events/mapping-file.ts'
import { createSeenAccesses } from '../../import-events/seen-accesses.ts'
import { inBatches, maxBatchItems, type Sendable, sendBatch } from '../../import-events/send-accesses.ts'
import type { IdForm } from '../../import-events/who-and-whom.ts'
import { clinicOption } from '../../input/common-options.ts'
import { openRowOutput, type RowOutput, type RowOutputOptions, withRowOutput } from '../../output/row-output.ts'
import type { Act } from '../../program.ts'
import { needsOf } from '../../request.ts'
import type { Session } from '../../session.ts'

interface EventsOptions extends RowOutputOptions {
  readonly clinic: string
  readonly source: string
  readonly ids: IdForm
  readonly mapping?: string
  readonly lenient?: true
  readonly dryRun?: true
}

interface PreparedAccess extends Sendable {
  readonly line: number
  readonly event: string
}

/** Part of every request id and of what is kept of an access, where 256 characters must hold it and the event's id. */
const parseSource = (text: string): string => {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)) {
    throw new InvalidArgumentError('Write letters, digits, dots, hyphens and underscores, at most 64.')
  }
  return text
}

/** What one import works with. */
interface Work {
  readonly session: Session
  readonly options: EventsOptions
  readonly file: EventFile
  readonly output: RowOutput<Finding>
  readonly tally: Tally
  /** Every line with what becomes of it; may be asked for more than once. */
  readonly lines: () => AsyncIterable<EventLine>
}

/** Reads the whole file and lists what there is to say of it. */
const check = async ({ session, file, output, tally, lines }: Work): Promise<void> => {
  const now = session.io.clock.wall()
  const progress = output.progress('Checked', file.bytes)
  let done = 0
  try {
    for await (const line of lines()) {
      countLine(tally, line.result, now)
      for (const finding of findingsOf(line)) await output.write(finding)
      progress.advance(line.bytesRead - done)
      done = line.bytesRead
    }
  } finally {
    progress.stop()
  }
}

const changedMeanwhile = (): ChartwardenError =>
  new ChartwardenError('INVALID_ARGUMENT', { message: 'The file was changed while it was read; import it again.' })

/** The accesses of the file. `each` is told of every line; a file that is not as it was when it was checked ends it. */
async function* accessesOf(
  { file, lines }: Work,
  each: (line: EventLine) => Promise<void>,
): AsyncGenerator<PreparedAccess, void, undefined> {
  for await (const line of lines()) {
    await each(line)
    if (line.result.kind !== 'accesses') continue
    for (const request of line.result.requests) yield { request, line: line.line, event: line.id }
  }
  if (!(await file.unchanged())) throw changedMeanwhile()
}

/** Says how far an import came that could not go on. */
const broken = (thrown: unknown, { recorded, thereAlready }: Tally): unknown => {
  if (!(thrown instanceof ChartwardenError)) return thrown
  const message =
    `${thrown.message} ${recorded} recorded and ${thereAlready} found there already until then, and possibly some of the last batch; ` +
    'run the same command again: nothing is recorded twice.'
  return new ChartwardenError(thrown.reason, { message, fields: thrown.fields, metadata: thrown.metadata, cause: thrown })
}

interface Pass {
  /** Of the progress. */
  readonly label: string
  /** Asks what recording would answer now; counts only what is refused. */
  readonly validateOnly: boolean
  readonly total: number | undefined
}

const send = async (work: Work, accesses: AsyncIterable<PreparedAccess>, { label, validateOnly, total }: Pass): Promise<void> => {
  const { session, options, output, tally } = work
  const { clinic } = options
  const { audit } = await session.connect(needsOf({ clinic }, 'access.record'))
  const progress = output.progress(label, total)
  const refusedLines = new Set<number>()
  try {
    for await (const batch of inBatches(accesses, maxBatchItems)) {
      const sent = sendBatch(batch, {
        audit,
        clinic,
        validateOnly,
        pause: (milliseconds) => delay(milliseconds),
        chance: () => (session.io.randomness.bytes(1)[0] as number) / 255,
        onRetry: ({ reason }, milliseconds) =>
          session.note(`Not ${label.toLowerCase()} yet (${reason}); trying again in ${(milliseconds / 1000).toFixed(1)} s.`),
      })
      for await (const { item, outcome } of sent) {
        if (outcome.kind === 'refused') {
          if (!refusedLines.has(item.line)) tally.refused += 1
          refusedLines.add(item.line)
          await output.write({
            line: item.line,
            event: item.event,
            finding: 'refused',
            field: '',
            value: outcome.reason,
            because: outcome.message,
          })
        } else if (!validateOnly) {
          if (outcome.kind === 'recorded') tally.recorded += 1
          else tally.thereAlready += 1
        }
        progress.advance(1)
      }
    }
  } catch (thrown) {
    throw validateOnly ? thrown : broken(thrown, tally)
  } finally {
    progress.stop()
  }
}

/** Whether anything was sent to be recorded. */
const importStrict = async (work: Work): Promise<boolean> => {
  await check(work)
  if (work.tally.refused > 0 || work.options.dryRun) return false
  if (!(await work.file.unchanged())) throw changedMeanwhile()
  const asChecked = async ({ result }: EventLine): Promise<void> => {
    if (result.kind === 'refused') throw changedMeanwhile()
  }
  const total = work.tally.accesses
  // The ledger may hold another event of the same id: said before anything of the file is recorded.
  await send(work, accessesOf(work, asChecked), { label: 'Compared', validateOnly: true, total })
  if (work.tally.refused > 0) return false
  await send(work, accessesOf(work, asChecked), { label: 'Recorded', validateOnly: false, total })
  return true
}

const importLenient = async (work: Work): Promise<boolean> => {
  if (work.options.dryRun) {
    await check(work)
    return false
  }
  const now = work.session.io.clock.wall()
  const list = async (line: EventLine): Promise<void> => {
    countLine(work.tally, line.result, now)
    for (const finding of findingsOf(line)) await work.output.write(finding)
  }
  await send(work, accessesOf(work, list), { label: 'Recorded', validateOnly: false, total: undefined })
  return true
}

const outcomeOf = ({ refused, recorded, thereAlready }: Tally): Outcome => {
  if (refused === 0) return 'ok'
  return recorded + thereAlready === 0 ? 'usage' : 'partial'
}

const importEvents = async (session: Session, path: string, options: EventsOptions): Promise<Outcome> => {
  const rules = codeRules(options.mapping === undefined ? [] : await readMappingFile(options.mapping))
  const file = await openEventFile(path)
  try {
    const output = await openRowOutput<Finding>(session, options, { columns: findingColumns, toJson: (row) => row })
    const tally = newTally()
    try {
      const cases: Cases | undefined = options.lenient ? await casesOfFile(file) : undefined
      const { source, ids } = options
      const seen = createSeenAccesses()
      const lines = () => eventLines({ file, context: { rules, source, ids }, cases, seen })
      const work: Work = { session, options, file, output, tally, lines }
      const sent = await (options.lenient ? importLenient(work) : importStrict(work))
      await output.complete({ ...tallyJson(tally), dry_run: options.dryRun ?? false })
      if (!session.json) for (const line of tallyText(tally, sent)) await session.note(line)
      return options.dryRun && tally.refused > 0 ? 'usage' : outcomeOf(tally)
    } catch (thrown) {
      await output.abandon()
      throw thrown
    }
  } finally {
    await file.close()
  }
}

export const eventsCommand = (act: Act): Command =>
  withRowOutput(
    new Command('events')
      .description(
        'Record the accesses that FHIR AuditEvents (R4, R5) report, from a file with one event a line. Every line is checked, and the ledger asked for other events of the same ids, before anything is recorded: one that is refused keeps all of them out. A repeat records nothing twice.',
      )
      .argument('<file>', 'the events, NDJSON')
      .addOption(clinicOption()),
    'of what is listed: every refused line with each reason, everything filled in, and events that are about no access',
  )
    .option('--lenient', 'fill in what events leave out, from the other events of their case, and list it; refuse single lines alone')
    .option('--mapping <file>', 'what the codes of this source mean, CSV or YAML: system,code,text,entity_type,resource_type,action')
    .addOption(
      new Option('--source <name>', 'the system whose events these are: two that number their events alike need two names')
        .argParser(parseSource)
        .default('fhir'),
    )
    .addOption(
      new Option('--ids <form>', 'logical: Patient/5 is the patient 5; reference: it is Patient/5')
        .choices(['logical', 'reference'])
        .default('logical'),
    )
    .option('--dry-run', 'check and list only; nothing is sent')
    .action(act((session, command) => importEvents(session, command.processedArgs[0] as string, command.opts<EventsOptions>())))
