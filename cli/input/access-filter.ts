import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import type { Command } from 'commander'
import { type AccessFilterSchema, AccessKind } from '../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { isPurpose } from '../../services/access/policy/purposes.ts'
import { invalidField } from '../../services/kernel/errors.ts'
import { optional } from '../request.ts'
import { parseList, parseTime, parseTypedId, subjectRef, type TypedId } from './parsers.ts'

/** Options that say which accesses. */
export interface AccessFilterOptions {
  readonly patient?: string
  readonly subject?: TypedId
  readonly type?: readonly string[]
  readonly action?: readonly string[]
  readonly purpose?: readonly string[]
  readonly kind?: readonly string[]
  readonly flag?: readonly string[]
  readonly from?: Timestamp
  readonly until?: Timestamp
}

const kinds: Readonly<Record<string, AccessKind>> = {
  authorised: AccessKind.AUTHORISED,
  performed: AccessKind.PERFORMED,
  refused: AccessKind.REFUSED,
  probed: AccessKind.PROBED,
}

const kindOf = (name: string): AccessKind => {
  const kind = kinds[name]
  if (kind === undefined) throw invalidField('--kind', `there is no "${name}"; choose from ${Object.keys(kinds).join(', ')}`)
  return kind
}

/** Those that rows are kept with; what is disputed is told by the concerns. */
const flags = ['administrative', 'after_exit', 'future_dated', 'purpose_unstated']

const flagOf = (name: string): string => {
  if (!flags.includes(name)) throw invalidField('--flag', `there is no "${name}"; choose from ${flags.join(', ')}`)
  return name
}

/** The codes are a closed list: of another one there is no access. */
const purposeOf = (code: string): string => {
  if (!isPurpose(code)) throw invalidField('--purpose', `there is no PurposeOfUse code "${code}"`)
  return code
}

export const withAccessFilter = (command: Command): Command =>
  command
    .option('--patient <id>', 'one patient')
    .option('--subject <type:id>', 'one person or service', parseTypedId)
    .option('--type <list>', 'resource types, separated by commas', parseList)
    .option('--action <list>', 'actions, separated by commas', parseList)
    .option('--purpose <list>', 'PurposeOfUse codes, separated by commas', parseList)
    .option('--kind <list>', `kinds, separated by commas: ${Object.keys(kinds).join(', ')} (default: all but probed)`, parseList)
    .option('--flag <list>', `with one of these flags, separated by commas: ${flags.join(', ')}`, parseList)
    .option('--from <time>', 'that happened at this moment or later', parseTime)
    .option('--until <time>', 'that happened before this moment', parseTime)

/** The filter that the options say. */
export const accessFilter = (options: AccessFilterOptions): MessageInitShape<typeof AccessFilterSchema> => ({
  patientId: options.patient ?? '',
  ...optional('subject', options.subject && subjectRef(options.subject)),
  resourceTypes: [...(options.type ?? [])],
  actions: [...(options.action ?? [])],
  purposes: (options.purpose ?? []).map(purposeOf),
  kinds: (options.kind ?? []).map(kindOf),
  flags: (options.flag ?? []).map(flagOf),
  ...optional('from', options.from),
  ...optional('until', options.until),
})
