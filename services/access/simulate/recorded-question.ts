/** Questions made again from the entries of their answers, as far as those kept what is needed. */
import type { StoredEntry } from '../../audit/ledger.ts'
import type { ClinicVault, Pseudonym } from '../../audit/vault.ts'
import type { JsonValue } from '../../kernel/canonical-json.ts'
import type { AccessRequest } from '../decide.ts'
import type { AccessEvent, Properties } from '../events.ts'
import { patientResource } from '../state/directory.ts'
import type { Asked } from './compare.ts'

export type DecidedEvent = Extract<AccessEvent, { readonly type: 'chartwarden.access.decided.v1' }>

export type RecordedQuestion =
  | { readonly kind: 'question'; readonly asked: Asked }
  | { readonly kind: 'not_simulated'; readonly reason: 'administrative' | 'identity_erased' | 'not_searched' }

interface SealedPart {
  readonly resource_id: string
  readonly supported_obligations?: readonly string[]
  readonly attributes?: { readonly [path: string]: JsonValue }
  readonly absent?: readonly string[]
}

/** Values by path as the nested objects they were taken from. Paths are names joined by dots; a path may be part of another. */
export const nested = (values: { readonly [path: string]: JsonValue }): { readonly [name: string]: JsonValue } => {
  const root = new Map<string, Map<string, unknown>>() as Map<string, unknown>
  // Shorter paths first: what is below one of them is part of its value already.
  for (const path of Object.keys(values).sort((left, right) => left.length - right.length)) {
    const names = path.split('.')
    let place: unknown = root
    for (const name of names.slice(0, -1)) {
      if (!(place instanceof Map)) break
      if (!place.has(name)) place.set(name, new Map())
      place = place.get(name)
    }
    if (place instanceof Map) place.set(names.at(-1), values[path])
  }
  const plain = (value: unknown): JsonValue =>
    value instanceof Map ? Object.fromEntries([...value].map(([name, below]) => [name, plain(below)])) : (value as JsonValue)
  return plain(root) as { readonly [name: string]: JsonValue }
}

type Stated = { readonly subject?: { properties?: Properties }; readonly action?: { properties?: Properties } } & {
  readonly resource?: { properties?: Properties }
  readonly context?: Properties
}

const recordOf = (vault: ClinicVault, type: string, id: string, patient: Pseudonym | undefined): Pseudonym =>
  type === patientResource && patient !== undefined ? patient : vault.pseudonym({ kind: 'record', type, id })

const requestOf = (vault: ClinicVault, { data, time, caller }: DecidedEvent, sealed: SealedPart): AccessRequest => {
  const { subject, action, resource, context } = nested(sealed.attributes ?? {}) as Stated
  const { session } = data
  return {
    subject: { type: data.subject.type, pseudonym: data.subject.pseudonym },
    action: data.action,
    resourceType: data.resource_type,
    record: recordOf(vault, data.resource_type, sealed.resource_id, data.patient),
    ...(data.patient === undefined ? {} : { patient: data.patient }),
    purpose: data.purpose,
    ...(session === undefined ? {} : { session: session.issued_at === undefined ? {} : { issuedAt: Date.parse(session.issued_at) } }),
    supportedObligations: new Set(sealed.supported_obligations),
    stated: {
      subject: subject?.properties,
      action: action?.properties,
      resource: resource?.properties,
      context,
      caller,
      override: data.override === true,
      recordedAt: time,
    },
  }
}

/** The question that an entry answered. */
export const recordedQuestion = async (vault: ClinicVault, entry: StoredEntry, event: DecidedEvent): Promise<RecordedQuestion> => {
  const { sealed, operation } = event.data
  if (operation !== undefined) return { kind: 'not_simulated', reason: 'administrative' }
  // Without a sealed part the identity had been erased when the entry was written.
  const opened =
    sealed === undefined ? undefined : await vault.open(sealed, { clinic: entry.clinic, entryId: entry.id, entryType: entry.type })
  if (opened?.kind !== 'opened') return { kind: 'not_simulated', reason: 'identity_erased' }
  const part = opened.value as unknown as SealedPart
  return {
    kind: 'question',
    asked: {
      request: requestOf(vault, event, part),
      recorded: {
        known: new Set([...Object.keys(part.attributes ?? {}), ...(part.absent ?? [])]),
        obligationsKept: part.supported_obligations !== undefined,
      },
    },
  }
}
