import { createHash } from 'node:crypto'
import { roleMessage } from '../services/access/policy/role-message.ts'
import type { RoleDefinition } from '../services/access/policy/roles.ts'
import { canonicalJson, type JsonValue } from '../services/kernel/canonical-json.ts'
import { ChartwardenError } from '../services/kernel/errors.ts'
import { uuidV5 } from '../services/kernel/ids.ts'
import type { Connection } from './connection.ts'
import { subjectRef, type TypedId } from './input/parsers.ts'

/** UUIDv5(URL namespace, "https://chartwarden.example/import"). Never changes. */
const importNamespace = 'e1732146-f4f1-59aa-92df-941dbdd04754'

/** Times that a definition is put again after others replaced it in between. */
const maxAttempts = 1000

const reason = 'Imported from a role table'

export interface PutImportedRole {
  readonly policy: Connection['policy']
  readonly clinic: string
  readonly onBehalfOf?: TypedId
  readonly role: RoleDefinition
}

export interface ImportedRole {
  readonly role: RoleDefinition
  /** `unchanged`: an earlier import put exactly this, and it is still in force. */
  readonly outcome: 'defined' | 'unchanged'
  readonly revision: bigint
}

/** The request id of the n-th time that this content is put: equal for equal content, so that a repeat is one. */
export const importRequestId = (clinic: string, role: RoleDefinition, onBehalfOf: TypedId | undefined, attempt: number): string => {
  const content = canonicalJson({ role, onBehalfOf: onBehalfOf && { ...onBehalfOf } } as unknown as JsonValue)
  return uuidV5(importNamespace, [clinic, role.role, createHash('sha256').update(content).digest('hex'), attempt].join('\n'))
}

/** Puts one role in force. An earlier import that no longer holds, or that another caller made, is followed by a new one. */
export const putImportedRole = async ({ policy, clinic, onBehalfOf, role }: PutImportedRole): Promise<ImportedRole> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await policy.putRole({
        requestId: importRequestId(clinic, role, onBehalfOf, attempt),
        clinic,
        ...(onBehalfOf === undefined ? {} : { onBehalfOf: subjectRef(onBehalfOf) }),
        role: roleMessage(role),
        reason,
      })
      return { role, outcome: answer.replayed ? 'unchanged' : 'defined', revision: answer.entry?.revision ?? 0n }
    } catch (thrown) {
      if (!(thrown instanceof ChartwardenError)) throw thrown
      if (['STALE_REQUEST', 'REQUEST_MISMATCH'].includes(thrown.reason) && attempt < maxAttempts) continue
      throw new ChartwardenError(thrown.reason, {
        message: `Role "${role.role}": ${thrown.message}`,
        fields: thrown.fields,
        metadata: thrown.metadata,
        cause: thrown,
      })
    }
  }
}

export interface PutImportedRoles extends Omit<PutImportedRole, 'role'> {
  /** In an order in which each finds in force what it inherits. */
  readonly roles: readonly RoleDefinition[]
}

/** Puts roles one after another. One that is refused ends it, with those that are in force by then named: a repeat goes on from there. */
export async function* putImportedRoles({ roles, ...common }: PutImportedRoles): AsyncGenerator<ImportedRole, void, undefined> {
  const done: string[] = []
  for (const role of roles) {
    try {
      yield await putImportedRole({ ...common, role })
    } catch (thrown) {
      if (!(thrown instanceof ChartwardenError) || done.length === 0) throw thrown
      throw new ChartwardenError(thrown.reason, {
        message: `${thrown.message} In force already: ${done.join(', ')}; import the file again once this is mended.`,
        fields: thrown.fields,
        metadata: thrown.metadata,
        cause: thrown,
      })
    }
    done.push(role.role)
  }
}
