import { type Command, Option } from 'commander'
import { invalidField } from '../../services/kernel/errors.ts'
import { parseRevision, parseUuid } from './parsers.ts'

export interface EntryOptions {
  readonly entry?: string
  readonly revision?: bigint
}

/** `--entry` and `--revision`, for calls about one entry. */
export const withEntry = (command: Command): Command =>
  command
    .addOption(new Option('--entry <uuid>', 'the entry by its id').argParser(parseUuid).conflicts('revision'))
    .option('--revision <number>', 'the entry by its place in the ledger', parseRevision)

/** The field of a request that they set; undefined: neither was given. */
export const entryKey = ({ entry, revision }: EntryOptions) => {
  if (entry !== undefined) return { case: 'id', value: entry } as const
  return revision === undefined ? undefined : ({ case: 'revision', value: revision } as const)
}

/** The same where one of them is needed. Throws INVALID_ARGUMENT. */
export const requireEntryKey = (options: EntryOptions) => {
  const key = entryKey(options)
  if (key === undefined) throw invalidField('--entry', 'is required, or --revision')
  return key
}
