/**
 * Identities stand in a ledger once: `identity introduced` holds the identifier sealed under the identity's own data key. Its id derives
 * from the pseudonym, so that any replica may introduce and a duplicate is success.
 */
import { LRUCache } from 'lru-cache'
import { canonicalJson } from '../kernel/canonical-json.ts'
import { type Clock, systemClock } from '../kernel/clock.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { createExpiringCache } from '../kernel/expiring-cache.ts'
import type { Randomness } from '../kernel/ids.ts'
import { composeEntry } from './compose-entry.ts'
import { entryId, openEnvelope, type Provenance } from './entry.ts'
import type { Ledger, NewEntry } from './ledger.ts'
import type { ClinicVault, Identity, Pseudonym, Sealed } from './vault.ts'

const identityIntroduced = 'chartwarden.identity.introduced.v1'

/** Id of the entry that introduces a pseudonym. */
export const identityEntryId = (clinic: string, pseudonym: Pseudonym): string => entryId(clinic, 'identity', pseudonym, 0)

/** Whom a pseudonym stands for, as far as keys still exist. */
export type ResolvedIdentity =
  | { readonly kind: 'known'; readonly type: string; readonly id: string }
  | { readonly kind: 'erased' }
  | { readonly kind: 'unknown' }

export interface Identities {
  /** The entry that introduces an identity, made but not appended. */
  draft(clinic: string, vault: ClinicVault, identity: Identity, time: number, provenance: Provenance): Promise<NewEntry>
  /** Makes sure each identity has a data key and stands in the ledger; durable when it returns. */
  introduce(clinic: string, vault: ClinicVault, identities: readonly Identity[], provenance: Provenance, deadline: number): Promise<void>
  /** Opens the identifiers behind pseudonyms. */
  resolve(clinic: string, vault: ClinicVault, pseudonyms: readonly Pseudonym[]): Promise<ReadonlyMap<Pseudonym, ResolvedIdentity>>
}

export interface IdentitiesOptions {
  readonly ledger: Ledger
  /** Ledger time, milliseconds since the epoch. */
  readonly now: () => number
  readonly randomness: Randomness
  /** Identities remembered as introduced and as resolved. Defaults to 200,000. */
  readonly cacheSize?: number
  /**
   * For how long an identifier once opened is given out without asking the vault. Milliseconds; defaults to 60,000. An erasure shows at the
   * latest after this and the vault's own `dataKeyTtlMs`.
   */
  readonly resolvedTtlMs?: number
  /** That deadlines and ages are read from. Defaults to the system's. */
  readonly clock?: Clock
}

/** Faults of another caller's append that say nothing about one's own. */
const ofAnother = (error: unknown): boolean =>
  error instanceof ChartwardenError && (error.reason === 'DEADLINE_EXCEEDED' || error.reason === 'OVERLOADED')

/** Identities over a ledger. */
export const createIdentities = (options: IdentitiesOptions): Identities => {
  const { ledger, now, randomness, cacheSize = 200_000, resolvedTtlMs = 60_000, clock = systemClock } = options
  const introduced = new LRUCache<string, true>({ max: cacheSize })
  const underway = new Map<string, Promise<void>>()
  const resolved = createExpiringCache<string, ResolvedIdentity>({ max: cacheSize, ttlMs: resolvedTtlMs, clock })

  const draft: Identities['draft'] = async (clinic, vault, identity, time, provenance) => {
    const { pseudonym, commit } = await vault.identity(identity)
    return composeEntry(vault, randomness, {
      clinic,
      id: identityEntryId(clinic, pseudonym),
      type: identityIntroduced,
      stateChanging: false,
      time,
      provenance,
      requestDigest: vault.requestDigest(canonicalJson({ operation: 'identity', pseudonym })),
      data: { kind: identity.kind, type: identity.type, pseudonym, commit },
      sealed: { under: pseudonym, value: { type: identity.type, id: identity.id } },
    })
  }

  const append = async (
    clinic: string,
    vault: ClinicVault,
    identity: Identity,
    provenance: Provenance,
    deadline: number,
  ): Promise<void> => {
    for (;;) {
      const entry = await draft(clinic, vault, identity, now(), provenance)
      const outcome = await ledger.append({ clinic, entries: [entry], restsOn: 'any', deadline })
      switch (outcome.kind) {
        case 'stored':
        case 'duplicate':
          return
        case 'stale':
          continue
        case 'moved':
          throw new ChartwardenError('CLINIC_NOT_ALLOWED')
        case 'mismatch':
          throw new ChartwardenError('INTERNAL', { cause: new Error('an identity stands in the ledger under another digest') })
      }
    }
  }

  /** Joins the introduction under way; what ended it is one's own end only if it concerns every caller. */
  const introduceNow = async (
    key: string,
    clinic: string,
    vault: ClinicVault,
    identity: Identity,
    provenance: Provenance,
    deadline: number,
  ): Promise<void> => {
    for (let work = underway.get(key); work !== undefined; work = underway.get(key)) {
      try {
        return await work
      } catch (error) {
        if (!ofAnother(error)) throw error
        if (clock.monotonic() >= deadline) throw new ChartwardenError('DEADLINE_EXCEEDED')
      }
    }
    if (introduced.has(key)) return
    const work = append(clinic, vault, identity, provenance, deadline)
      .then(() => void introduced.set(key, true))
      .finally(() => underway.delete(key))
    underway.set(key, work)
    return work
  }

  const introduceOne = (clinic: string, vault: ClinicVault, identity: Identity, provenance: Provenance, deadline: number) => {
    const key = `${clinic}/${vault.pseudonym(identity)}`
    return introduced.has(key) ? undefined : introduceNow(key, clinic, vault, identity, provenance, deadline)
  }

  return {
    draft,
    introduce: async (clinic, vault, identities, provenance, deadline) => {
      const work = identities
        .map((identity) => introduceOne(clinic, vault, identity, provenance, deadline))
        .filter((item) => item !== undefined)
      if (work.length > 0) await Promise.all(work)
    },
    resolve: async (clinic, vault, pseudonyms) => {
      const found = new Map<Pseudonym, ResolvedIdentity>()
      const missing: Pseudonym[] = []
      for (const pseudonym of new Set(pseudonyms)) {
        const known = resolved.get(`${clinic}/${pseudonym}`)
        if (known === undefined) missing.push(pseudonym)
        else found.set(pseudonym, known)
      }
      if (missing.length === 0) return found
      const asked = clock.monotonic()
      const entries = await ledger.find(
        clinic,
        missing.map((pseudonym) => identityEntryId(clinic, pseudonym)),
      )
      for (const pseudonym of missing) {
        const entry = entries.get(identityEntryId(clinic, pseudonym))
        if (entry === undefined) {
          found.set(pseudonym, { kind: 'unknown' })
          continue
        }
        const sealed = openEnvelope(entry.bytes).data.sealed as Sealed | undefined
        const opened =
          sealed === undefined
            ? ({ kind: 'key_destroyed' } as const)
            : await vault.open(sealed, { clinic, entryId: entry.id, entryType: entry.type })
        if (opened.kind === 'key_destroyed') {
          found.set(pseudonym, { kind: 'erased' })
          continue
        }
        const { type, id } = opened.value as { readonly type: string; readonly id: string }
        const identity = { kind: 'known', type, id } as const
        found.set(pseudonym, identity)
        resolved.set(`${clinic}/${pseudonym}`, identity, asked)
      }
      return found
    },
  }
}
