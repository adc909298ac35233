import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import type { SubjectRef } from '../../../proto/gen/chartwarden/types/v1/types_pb.js'
import type { ClinicVault, Identity } from '../../audit/vault.ts'
import type { CallContext } from '../../kernel/caller.ts'
import type { Randomness } from '../../kernel/ids.ts'
import type { Scope } from '../../kernel/scopes.ts'
import type { AdministrativeCommand } from '../administer.ts'
import type { Administered, Administration, Prepared } from '../administration.ts'
import type { SubjectReference } from '../events.ts'
import { createFields, type Fields } from './fields.ts'
import { requestForm } from './form.ts'

interface AdministrativeMessage {
  readonly requestId: string
  readonly clinic: string
  readonly onBehalfOf?: SubjectRef | undefined
}

/** How one administrative method reads its request: `read` checks the fields and returns how to prepare the command. */
export interface AdministrativeMethod<Schema extends DescMessage> {
  readonly schema: Schema
  readonly operation: string
  readonly scope: Scope
  read(request: MessageShape<Schema>, fields: Fields): (vault: ClinicVault) => Prepared
}

/** Checks an administrative request, collecting every fault, and carries it out. */
export const administrativeCall = async <Schema extends DescMessage>(
  administration: Administration,
  randomness: Randomness,
  method: AdministrativeMethod<Schema>,
  request: MessageShape<Schema> & AdministrativeMessage,
  context: CallContext,
): Promise<Administered> => {
  const fields = createFields(randomness)
  const requestId = fields.requestId('request_id', request.requestId)
  const clinic = fields.clinic('clinic', request.clinic)
  const onBehalfOf = fields.person('on_behalf_of', request.onBehalfOf)
  const prepare = method.read(request, fields)
  fields.check()
  const { operation, scope } = method
  return administration(context, {
    clinic,
    operation,
    requestId,
    onBehalfOf,
    scope,
    form: requestForm(method.schema, request),
    prepare,
  })
}

interface Named {
  readonly type: string
  readonly id: string
}

export const subjectIdentity = ({ type, id }: Named): Identity => ({ kind: 'subject', type, id })

export const patientIdentity = (id: string): Identity => ({ kind: 'patient', type: '', id })

export const referenceOf = (vault: ClinicVault, subject: Named): SubjectReference => ({
  type: subject.type,
  pseudonym: vault.pseudonym(subjectIdentity(subject)),
})

/** A command about one subject, with a free-text reason sealed under that subject's key. */
export const aboutSubject =
  (subject: Named, reason: string, command: (reference: SubjectReference) => AdministrativeCommand) =>
  (vault: ClinicVault): Prepared => {
    const reference = referenceOf(vault, subject)
    return {
      command: command(reference),
      identities: [subjectIdentity(subject)],
      ...(reason === '' ? {} : { sealed: { under: reference.pseudonym, value: { reason } } }),
    }
  }

/** A command about no subject; its reason is sealed under the key of whoever asks. */
export const aboutNobody = (command: AdministrativeCommand, reason: string) => (): Prepared => ({
  command,
  identities: [],
  ...(reason === '' ? {} : { sealed: { value: { reason } } }),
})
