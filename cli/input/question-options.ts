import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { type Command, Option } from 'commander'
import type { CheckRequestSchema } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { optional } from '../request.ts'
import { parseList, parseTime, parseTypedId, type TypedId } from './parsers.ts'
import { type PropertyValues, parseProperty } from './properties.ts'

/** Options of a question, as far as a command has them. */
export interface QuestionOptions {
  readonly subject?: TypedId
  readonly action?: string
  readonly resource?: TypedId
  readonly patient?: string
  readonly purpose?: string
  readonly supports?: readonly string[]
  readonly property?: PropertyValues
  readonly subjectProperty?: PropertyValues
  readonly context?: PropertyValues
  readonly signedIn?: Timestamp
}

export const purposeHelp = 'why, as an HL7 v3 PurposeOfUse code: TREAT, PATADMIN, HPAYMT, …'

/** What conditions, labels and duties look at, for every command that asks. */
export const withCircumstances = (command: Command): Command =>
  command
    .option('--supports <types>', 'obligations that are enforced, separated by commas', parseList)
    .option('--property <name=value>', 'what is known of the record, for conditions and labels; repeat it for more', parseProperty)
    .option('--context <name=value>', 'what is known of the situation, for conditions; repeat it for more', parseProperty)

export const withSubjectCircumstances = (command: Command): Command =>
  withCircumstances(command).option(
    '--subject-property <name=value>',
    'what is known of the subject, for conditions; repeat it for more',
    parseProperty,
  )

/** A whole question; `required`: who, what, to which record and why must be named. */
export const withQuestion = (command: Command, { required = false } = {}): Command => {
  const part = (flags: string, description: string): Option => new Option(flags, description).makeOptionMandatory(required)
  return withSubjectCircumstances(
    command
      .addOption(part('--subject <type:id>', 'who').argParser(parseTypedId))
      .addOption(part('--action <name>', 'does what'))
      .addOption(part('--resource <type:id>', 'to which record').argParser(parseTypedId))
      .option('--patient <id>', 'the patient whom the record is about')
      .addOption(part('--purpose <code>', purposeHelp)),
  ).option('--signed-in <time>', 'when the person signed in; needed for a person with a cut-off', parseTime)
}

/** Fields of a question and the options they are typed as; `prefix` is where it stands in the request. */
export const questionFields = (prefix: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries({
      subject: '--subject',
      'subject.type': '--subject',
      'subject.id': '--subject',
      action: '--action',
      'action.name': '--action',
      resource: '--resource',
      'resource.type': '--resource',
      'resource.id': '--resource',
      'resource.patient_id': '--patient',
      purpose: '--purpose',
      supported_obligations: '--supports',
      'session.issued_at': '--signed-in',
    }).map(([field, option]) => [`${prefix}${field}`, option]),
  )

/** The question that the options ask. */
export const questionOf = (options: QuestionOptions): MessageInitShape<typeof CheckRequestSchema> => ({
  ...optional('subject', options.subject && { ...options.subject, ...optional('properties', options.subjectProperty) }),
  ...optional('action', options.action === undefined ? undefined : { name: options.action }),
  ...optional(
    'resource',
    options.resource && { ...options.resource, patientId: options.patient ?? '', ...optional('properties', options.property) },
  ),
  purpose: options.purpose ?? '',
  supportedObligations: [...(options.supports ?? [])],
  ...optional('context', options.context),
  ...optional('session', options.signedIn && { issuedAt: options.signedIn }),
})
