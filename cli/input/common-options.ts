import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { type Command, Option } from 'commander'
import { optional } from '../request.ts'
import { parseClinic, parseTime, parseTypedId, parseUuid, type TypedId } from './parsers.ts'

export interface ClinicOptions {
  readonly clinic: string
  readonly onBehalfOf?: TypedId
}

export interface ChangeOptions extends ClinicOptions {
  readonly requestId?: string
}

export const clinicOption = (): Option => new Option('--clinic <id>', 'the clinic').argParser(parseClinic).makeOptionMandatory()

/** `--clinic` and `--on-behalf-of`, for calls that read. */
export const withClinic = (command: Command): Command =>
  command
    .addOption(clinicOption())
    .option('--on-behalf-of <type:id>', "the person for whom this is done; decided against that person's own roles", parseTypedId)

/** The same and `--request-id`, for calls that change something. */
export const withChange = (command: Command): Command =>
  withClinic(command).option('--request-id <uuid>', 'repeats an earlier call safely (default: a new one)', parseUuid)

export interface MomentOptions {
  readonly asOf?: Timestamp
}

/** `--as-of`, for questions that the ledger can also answer about the past. */
export const withMoment = (command: Command): Command =>
  command.option('--as-of <time>', 'as of this past moment (default: now)', parseTime)

/** The field of a request that `--as-of` sets. */
export const momentField = ({ asOf }: MomentOptions) => optional('asOf', asOf)
