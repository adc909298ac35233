/** Where the rows of a command go, and in which form: the same options and the same care for every command that writes rows. */
import path from 'node:path'
import { type Command, Option } from 'commander'
import { invalidField } from '../../services/kernel/errors.ts'
import { optional } from '../request.ts'
import type { Session } from '../session.ts'
import type { Column } from './column.ts'
import { OutputError } from './output-error.ts'
import { codeOf, createOutputFile } from './output-file.ts'
import { createProgress, type Progress } from './progress.ts'
import { createRowWriter, type RowFormat } from './row-writer.ts'

export interface RowOutputOptions {
  readonly format?: Exclude<RowFormat, 'json'>
  readonly output?: string
  readonly progress?: true
}

/** `--format`, `--output` and `--progress`. `formats`: what there is to say of them. */
export const withRowOutput = (command: Command, formats: string): Command =>
  command
    .addOption(
      new Option('--format <format>', `${formats} Default: by the ending of --output, else table.`).choices(['table', 'csv', 'ndjson']),
    )
    .option('--output <file>', 'write to this file instead: it is put in its place whole, or not at all')
    .option('--progress', 'say on stderr how far it is, even where that is no terminal')

const endings: Readonly<Record<string, RowFormat>> = { '.csv': 'csv', '.ndjson': 'ndjson', '.json': 'json' }

/** The form asked for; else the one that the name of the file says, and a table where it says none. Throws INVALID_ARGUMENT for two at once. */
export const rowFormatOf = ({ format, output }: RowOutputOptions, json: boolean): RowFormat => {
  if (json && format !== undefined) throw invalidField('--format', 'cannot be combined with --json, which asks for one JSON document')
  if (json) return 'json'
  return format ?? endings[path.extname(output ?? '').toLowerCase()] ?? 'table'
}

export interface RowOutput<Row> {
  write(row: Row): Promise<void>
  /** Everything is written: ends the output and puts the file, if one was named, in its place. `summary` as in `RowWriter.end`. */
  complete(summary: Readonly<Record<string, unknown>>): Promise<void>
  /** It was cut: a file is taken away; what went to stdout is ended without the mark of a whole one. `summary` goes into a JSON document. */
  cut(summary: Readonly<Record<string, unknown>>): Promise<void>
  /** An error ends the work: a file is taken away; stdout is left as it is. */
  abandon(): Promise<void>
  /** Progress of the work that yields the rows. */
  progress(title: string, total?: number): Progress
}

export interface OpenRowOutput<Row> {
  readonly columns: readonly Column<Row>[]
  readonly toJson: (row: Row) => unknown
}

/** Opens the output. `complete`, `cut` or `abandon` must follow. Throws INVALID_ARGUMENT when the file cannot be written. */
export const openRowOutput = async <Row>(
  { io, json }: Pick<Session, 'io' | 'json'>,
  options: RowOutputOptions,
  { columns, toJson }: OpenRowOutput<Row>,
): Promise<RowOutput<Row>> => {
  const { output, progress: shown } = options
  const format = rowFormatOf(options, json)
  const file = output === undefined ? undefined : await createOutputFile(output, io.randomness.uuid())
  const writer = createRowWriter<Row>({ format, columns, toJson, out: file?.stream ?? io.out })
  return {
    write: async (row) => {
      try {
        await writer.write(row)
      } catch (cause) {
        throw file === undefined
          ? cause
          : new OutputError(`${output} cannot be written (${codeOf(cause)}); nothing was put in its place.`, cause)
      }
    },
    complete: async (summary) => {
      await writer.end(summary)
      await file?.commit()
    },
    cut: async (summary) => {
      if (file !== undefined) await file.abandon()
      else await writer.end(format === 'json' ? summary : undefined)
    },
    abandon: async () => file?.abandon(),
    progress: (title, total) =>
      createProgress({ io, title, ...optional('total', total), afterMs: 1000, printsRows: file === undefined, always: shown ?? false }),
  }
}
