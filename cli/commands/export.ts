import { access } from 'node:fs/promises'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import { Command } from 'commander'
import type { BundleSelection } from '../../services/audit/log/bundle/bundle.ts'
import { selectionText } from '../../services/audit/log/bundle/manifest.ts'
import { ChartwardenError, invalidField } from '../../services/kernel/errors.ts'
import type { Scope } from '../../services/kernel/scopes.ts'
import type { Outcome } from '../exit-codes.ts'
import { type ClinicOptions, withClinic } from '../input/common-options.ts'
import { parseTime, parseTypedId, subjectRef, type TypedId } from '../input/parsers.ts'
import { count } from '../output/describe.ts'
import { createProgress } from '../output/progress.ts'
import type { Act } from '../program.ts'
import { clinicFields, needsOf, optional, underOptions } from '../request.ts'
import type { Session } from '../session.ts'
import { writeExport } from './export/write-export.ts'
import { type PeriodOptions, periodFields } from './report/period-options.ts'

interface ExportOptions extends ClinicOptions, Omit<PeriodOptions, 'waitForRevision'> {
  readonly patient?: string
  readonly staff?: TypedId
  readonly keysFor?: string
  readonly unseal?: true
  readonly output: string
  readonly force?: true
  readonly progress?: true
}

const selectionOf = ({ patient, staff, from, until }: ExportOptions): BundleSelection => ({
  ...optional('patient', patient),
  ...optional('subject', staff),
  ...optional('from', from && new Date(timestampMs(from)).toISOString()),
  ...optional('until', until && new Date(timestampMs(until)).toISOString()),
})

/** Throws INVALID_ARGUMENT where a file is: evidence that was given out before is not replaced unasked. */
const requireNoFile = async (output: string): Promise<void> => {
  const isThere = await access(output).then(
    () => true,
    () => false,
  )
  if (!isThere) return
  throw new ChartwardenError('INVALID_ARGUMENT', { message: `${output} is there already; name another file, or replace it with --force.` })
}

/** What was looked for and not found. */
const nothingText = ({ patient, staff }: ExportOptions): string => {
  const people = [
    ...(patient === undefined ? [] : [`the patient ${patient}`]),
    ...(staff === undefined ? [] : [`${staff.type}:${staff.id}`]),
  ].join(' and ')
  return people === ''
    ? 'Nothing was recorded in that time; no file was written.'
    : `Nothing names ${people} in what was chosen: check the spelling; no file was written.`
}

const exportEntries = async (session: Session, options: ExportOptions): Promise<Outcome> => {
  const { clinic, patient, staff, keysFor = '', unseal = false, output } = options
  if (patient === '') throw invalidField('--patient', 'name the patient')
  if (options.force !== true) await requireNoFile(output)
  const scopes: Scope[] = ['ledger.export']
  if (keysFor !== '') scopes.push('ledger.keys')
  if (unseal) scopes.push('audit.unseal')
  const { audit, stream } = await session.connect(needsOf(options, ...scopes))
  const request = {
    ...clinicFields(options),
    ...periodFields(options),
    ...optional('patientId', patient),
    ...optional('subject', staff && subjectRef(staff)),
    keysFor,
  }
  const plan = {
    clinic,
    selection: selectionOf(options),
    unseal,
    output,
    unique: session.io.randomness.uuid(),
    progress: (title: string, total?: number) =>
      createProgress({ io: session.io, title, ...optional('total', total), afterMs: 1000, always: options.progress ?? false }),
  }
  const optionNames = { patient_id: '--patient', subject: '--staff', keys_for: '--keys-for', from: '--from', until: '--until' }
  const exported = await underOptions(optionNames, () =>
    writeExport(
      plan,
      stream((signal) => audit.exportEntries(request, { signal })),
    ),
  )
  if (exported === undefined) {
    if (session.json) await session.print(`${JSON.stringify({ clinic, entries: '0' })}\n`)
    await session.note(nothingText(options))
    return patient === undefined && staff === undefined ? 'conflict' : 'unknownPerson'
  }
  const { manifest, entries, keys, bytes } = exported
  const { origin, size, root, whole } = manifest
  if (session.json) {
    await session.print(`${JSON.stringify({ clinic, output, bytes, entries: String(entries), whole, keys, origin, size, root })}\n`)
    return 'ok'
  }
  await session.print(
    `${output}: ${count(Number(entries), 'entry', 'entries')} (${selectionText({ whole, selection: plan.selection })}), proven by the checkpoint of size ${size} of ${origin}. It was read again and checked.\n`,
  )
  if (keys) await session.note("The clinic's keys are in it, encrypted: whoever holds the identity reads everything that is not erased.")
  return 'ok'
}

export const exportCommand = (act: Act): Command =>
  withClinic(
    new Command('export').description(
      'Write entries with their proofs into one file that a stranger checks without asking anybody: chartwarden verify <file>. Without a choice of entries, the whole ledger. Exporting is itself recorded.',
    ),
  )
    .option('--patient <id>', 'everything that names this patient')
    .option('--staff <type:id>', 'everything that names this person, as subject of anything or as who did it', parseTypedId)
    .option('--from <time>', 'entries of this moment or later', parseTime)
    .option('--until <time>', 'entries before this moment', parseTime)
    .option('--unseal', 'with sealed parts and names opened, beside the proofs (a token of its own needs audit.unseal)')
    .option(
      '--keys-for <recipient>',
      "with the clinic's keys, encrypted to this age recipient, for moving the whole ledger (a token of its own needs ledger.keys)",
    )
    .requiredOption('--output <file>', 'the file: it is put in its place whole and checked, or not at all')
    .option('--force', 'replace the file if there is one')
    .option('--progress', 'say on stderr how far it is, even where that is no terminal')
    .action(act((session, command) => exportEntries(session, command.opts<ExportOptions>())))
