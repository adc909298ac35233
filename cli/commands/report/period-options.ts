import type { Timestamp } from '@bufbuild/protobuf/wkt'
import type { Command } from 'commander'
import { parseRevision, parseTime } from '../../input/parsers.ts'
import { optional } from '../../request.ts'

export interface PeriodOptions {
  readonly from?: Timestamp
  readonly until?: Timestamp
  readonly waitForRevision?: bigint
}

/** `--from`, `--until` and `--wait-for-revision`. `what`: of which the times are, e.g. "disclosed". */
export const withPeriod = (command: Command, what: string, defaults: { readonly from?: string; readonly until?: string } = {}): Command =>
  command
    .option('--from <time>', `${what} at this moment or later${defaults.from ?? ''}`, parseTime)
    .option('--until <time>', `${what} before this moment${defaults.until ?? ''}`, parseTime)
    .option('--wait-for-revision <number>', 'wait until the report is complete to this revision', parseRevision)

export const periodFields = ({ from, until }: PeriodOptions) => ({ ...optional('from', from), ...optional('until', until) })
