/** Writes a clinic's history, entry by entry, as access would: real vault, real entries, any engine. */

import type { SubjectReference } from '../../services/access/events.ts'
import { type EventData, stateChanging } from '../../services/access/events.ts'
import { composeEntry } from '../../services/audit/compose-entry.ts'
import { entryId } from '../../services/audit/entry.ts'
import { identityEntryId } from '../../services/audit/identities.ts'
import type { LedgerEngine, NewEntry, StoredEntry } from '../../services/audit/ledger.ts'
import type { ClinicVault, Identity, Pseudonym, Vault } from '../../services/audit/vault.ts'
import { canonicalJson, type JsonValue } from '../../services/kernel/canonical-json.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'

/** The time of the first entry of a script; each later one is a second after. */
const scriptStart = Date.parse('2026-11-23T08:00:00.000Z')

export interface Written {
  readonly id: string
  readonly revision: bigint
  /** Milliseconds since the epoch. */
  readonly time: number
}

interface WriteOptions {
  /** Milliseconds since the epoch; default: a second after the entry before. */
  readonly time?: number
  readonly sealed?: { readonly [name: string]: JsonValue | undefined }
  /** Default: the patient, else the subject of the data. */
  readonly under?: Pseudonym
}

export interface Access {
  readonly subject: SubjectReference
  readonly patient?: Pseudonym
  readonly action?: string
  readonly resourceType?: string
  readonly resourceId?: string
  readonly purpose?: string
  readonly reason?: string
  readonly time?: number
}

export interface LedgerScript {
  readonly clinic: string
  readonly vault: ClinicVault
  /** The last entry written. */
  head(): bigint
  /** Time of the entry that would be written next. */
  nextTime(): number
  staff(id: string): Promise<SubjectReference>
  patient(id: string): Promise<Pseudonym>
  write<T extends keyof EventData>(type: T, data: Omit<EventData[T], 'sealed'>, options?: WriteOptions): Promise<Written>
  /** An entry of any type with any content. */
  writeRaw(type: string, data: object, options?: WriteOptions): Promise<Written>
  /** Bytes that are no entry at all. */
  writeBytes(type: string, bytes: Uint8Array): Promise<Written>
  decided(
    outcome: 'permit' | 'deny' | 'probe',
    access: Access,
    data?: Partial<EventData['chartwarden.access.decided.v1']>,
  ): Promise<Written>
  recorded(access: Access, data?: Partial<EventData['chartwarden.access.recorded.v1']>): Promise<Written>
  granted(
    subject: SubjectReference,
    role: string,
    period?: { readonly from?: number; readonly until?: number; readonly by?: SubjectReference },
  ): Promise<Written>
  revoked(subject: SubjectReference, role: string, grants: readonly Written[], time?: number): Promise<Written>
  offboarded(subject: SubjectReference, options?: { readonly time?: number; readonly by?: SubjectReference }): Promise<Written>
  reinstated(subject: SubjectReference, time?: number): Promise<Written>
}

const spelled = (time: number): string => new Date(time).toISOString()

export const createLedgerScript = async (
  engine: LedgerEngine,
  vault: Vault,
  clinic: string,
  timeZone = 'Europe/Lisbon',
): Promise<LedgerScript> => {
  const keys = await vault.createClinic(clinic)
  let count = -1n
  let clock = scriptStart
  const introduced = new Set<Pseudonym>()

  const append = async (entry: NewEntry): Promise<StoredEntry['revision']> => {
    const [outcome] = await engine.appendBatch([{ clinic, entries: [entry], restsOn: count === -1n ? -1n : 'any' }])
    if (outcome?.kind !== 'stored') throw new Error(`the script's entry was ${outcome?.kind}`)
    count = outcome.revisions[0] as bigint
    return count
  }

  const writeRaw: LedgerScript['writeRaw'] = async (type, data, options = {}) => {
    const time = options.time ?? clock
    clock = Math.max(clock, time) + 1_000
    const id = entryId(clinic, 'script', systemRandomness.uuid(), 0)
    const about = data as { patient?: Pseudonym; subject?: SubjectReference }
    const under = options.under ?? about.patient ?? about.subject?.pseudonym
    const entry = await composeEntry(keys, systemRandomness, {
      clinic,
      id,
      type,
      stateChanging: (stateChanging as Record<string, boolean>)[type] ?? false,
      time,
      provenance: { caller: 'practice-software' },
      requestDigest: keys.requestDigest(id),
      data,
      ...(options.sealed === undefined || under === undefined ? {} : { sealed: { under, value: options.sealed } }),
    })
    return { id, revision: await append(entry), time }
  }

  const introduce = async (identity: Identity): Promise<Pseudonym> => {
    const { pseudonym, commit } = await keys.identity(identity)
    if (introduced.has(pseudonym)) return pseudonym
    introduced.add(pseudonym)
    const time = clock
    clock += 1_000
    await append(
      await composeEntry(keys, systemRandomness, {
        clinic,
        id: identityEntryId(clinic, pseudonym),
        type: 'chartwarden.identity.introduced.v1',
        stateChanging: false,
        time,
        provenance: { caller: 'practice-software' },
        requestDigest: keys.requestDigest(canonicalJson({ operation: 'identity', pseudonym })),
        data: { kind: identity.kind, type: identity.type, pseudonym, commit },
        sealed: { under: pseudonym, value: { type: identity.type, id: identity.id } },
      }),
    )
    return pseudonym
  }

  const write: LedgerScript['write'] = (type, data, options) => writeRaw(type, data, options)
  const actor = (by: SubjectReference | undefined) => ({ rule: 'scope/staff.write', ...(by === undefined ? {} : { subject: by }) })
  const script: LedgerScript = {
    clinic,
    vault: keys,
    head: () => count,
    nextTime: () => clock,
    staff: async (id) => ({ type: 'staff', pseudonym: await introduce({ kind: 'subject', type: 'staff', id }) }),
    patient: (id) => introduce({ kind: 'patient', type: '', id }),
    write,
    writeRaw,
    writeBytes: async (type, bytes) => {
      const id = systemRandomness.uuid()
      return { id, revision: await append({ id, type, stateChanging: false, requestDigest: keys.requestDigest(id), bytes }), time: clock }
    },
    decided: (outcome, access, data = {}) =>
      write(
        'chartwarden.access.decided.v1',
        {
          decision: outcome === 'deny' ? 'deny' : 'permit',
          reason_code: outcome === 'deny' ? 'no_grant' : 'role_permits',
          rule: outcome === 'deny' ? '' : 'role/dentist#1',
          obligations: [],
          intent: outcome === 'probe' ? 'probe' : 'access',
          subject: access.subject,
          action: access.action ?? 'read',
          resource_type: access.resourceType ?? 'imaging',
          ...(access.patient === undefined ? {} : { patient: access.patient }),
          purpose: access.purpose ?? 'TREAT',
          roles: [],
          state_revision: 0,
          ...data,
        },
        {
          sealed: { resource_id: access.resourceId ?? 'record-1', reason: access.reason },
          ...(access.time === undefined ? {} : { time: access.time }),
        },
      ),
    recorded: (access, data = {}) =>
      write(
        'chartwarden.access.recorded.v1',
        {
          subject: access.subject,
          action: access.action ?? 'read',
          resource_type: access.resourceType ?? 'imaging',
          ...(access.patient === undefined ? {} : { patient: access.patient }),
          purpose: access.purpose ?? 'TREAT',
          occurred_at: spelled(access.time ?? clock),
          flags: [],
          ...data,
        },
        { sealed: { resource_id: access.resourceId ?? 'record-1', reason: access.reason } },
      ),
    granted: (subject, role, { from, until, by } = {}) =>
      write(
        'chartwarden.role.granted.v1',
        {
          actor: actor(by),
          subject,
          role,
          flags: [],
          ...(from === undefined ? {} : { from: spelled(from) }),
          ...(until === undefined ? {} : { until: spelled(until) }),
        },
        { sealed: { reason: `needs ${role}` } },
      ),
    revoked: (subject, role, grants, time) =>
      write(
        'chartwarden.role.revoked.v1',
        { actor: actor(undefined), subject, role, grant_ids: grants.map((grant) => grant.id) },
        time === undefined ? {} : { time },
      ),
    offboarded: (subject, { time, by } = {}) =>
      write(
        'chartwarden.staff.offboarded.v1',
        {
          actor: actor(by),
          subject,
          effective: spelled(time ?? clock),
          unknown_subject: false,
          ended: { grants: 0, shares: 0, relationships: 0, digest: '' },
        },
        { sealed: { reason: 'contract ended' }, ...(time === undefined ? {} : { time }) },
      ),
    reinstated: (subject, time) =>
      write('chartwarden.staff.reinstated.v1', { actor: actor(undefined), subject }, time === undefined ? {} : { time }),
  }
  const owner = await keys.identity({ kind: 'subject', type: 'staff', id: 'owner' })
  await write('chartwarden.clinic.registered.v1', {
    title: clinic,
    time_zone: timeZone,
    administrator: { type: 'staff', pseudonym: owner.pseudonym },
  })
  return script
}
