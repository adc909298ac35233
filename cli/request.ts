import { ChartwardenError, errorCatalogue } from '../services/kernel/errors.ts'
import type { Scope } from '../services/kernel/scopes.ts'
import type { ChangeOptions, ClinicOptions } from './input/common-options.ts'
import { subjectRef } from './input/parsers.ts'
import type { ConnectNeeds, Session } from './session.ts'

/** Needs of a call in one clinic: a development token gets `act` only when a person is named, because one that has it must name one. */
export const needsOf = (options: ClinicOptions, ...scopes: readonly Scope[]): ConnectNeeds => ({
  clinics: [options.clinic],
  scopes: options.onBehalfOf === undefined ? scopes : [...scopes, 'act'],
})

/** The fields that every request in a clinic has. */
export const clinicFields = (options: ClinicOptions) => ({
  clinic: options.clinic,
  ...(options.onBehalfOf === undefined ? {} : { onBehalfOf: subjectRef(options.onBehalfOf) }),
})

/** Only what grpc-js says itself tells a service that was never reached from one that was lost while it worked. */
const neverSent = (error: ChartwardenError): boolean =>
  error.reason === 'SERVICE_UNREACHABLE' &&
  error.cause instanceof Error &&
  'details' in error.cause &&
  /^(?:No connection established|Name resolution failed)/.test(String(error.cause.details))

/** Makes a call that changes something under a request id, and names the id when the call may have been carried out and may be repeated. */
export const change = async <Answer>(
  session: Session,
  options: Pick<ChangeOptions, 'requestId'>,
  call: (requestId: string) => Promise<Answer>,
): Promise<Answer> => {
  const requestId = options.requestId ?? session.io.randomness.uuid()
  try {
    return await call(requestId)
  } catch (thrown) {
    if (!(thrown instanceof ChartwardenError) || !errorCatalogue[thrown.reason].retry || neverSent(thrown)) throw thrown
    const message = `${thrown.message} It may have been carried out: repeat it with --request-id ${requestId}.`
    throw new ChartwardenError(thrown.reason, { message, fields: thrown.fields, metadata: thrown.metadata, cause: thrown })
  }
}

/** `name` with the value, or nothing when there is none: protobuf messages take no undefined. */
export const optional = <Name extends string, Value>(name: Name, value: Value | undefined): { readonly [N in Name]?: Value } =>
  (value === undefined ? {} : { [name]: value }) as { readonly [N in Name]?: Value }

/** What was thrown, with the fields it refuses named as the options they were typed as. */
export const withOptionNames = (thrown: unknown, optionOf: (field: string) => string): unknown => {
  if (!(thrown instanceof ChartwardenError) || thrown.fields.length === 0) return thrown
  const fields = thrown.fields.map(({ field, description }) => ({ field: optionOf(field), description }))
  const message = thrown.fields.reduce((text, { field }) => text.replace(`${field}: `, () => `${optionOf(field)}: `), thrown.message)
  return new ChartwardenError(thrown.reason, { message, fields, metadata: thrown.metadata, cause: thrown })
}

/** Makes a call; a field that it refuses is named as the option it was typed as. `options`: field path, or the first part of one → option. */
export const underOptions = async <Answer>(options: Readonly<Record<string, string>>, call: () => Promise<Answer>): Promise<Answer> => {
  try {
    return await call()
  } catch (thrown) {
    throw withOptionNames(thrown, (field) => options[field] ?? options[field.replace(/\[.*$/, '')] ?? field)
  }
}
