import type { ClinicVault, IdentityKind, Sealed } from '../../audit/vault.ts'
import { type Clock, systemClock } from '../../kernel/clock.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import { createExpiringCache } from '../../kernel/expiring-cache.ts'
import type { ProjectionTransaction } from '../database.ts'
import type { NamedSubject } from '../reading.ts'

/** The identifiers behind pseudonyms, for showing: `erased:<pseudonym>` once the key was destroyed, `unknown:<pseudonym>` if none was introduced. */
export interface Names {
  subject(type: string, pseudonym: string): NamedSubject
  /** Empty for a record about no patient. */
  patient(pseudonym: string | null): string
}

/** What a report's snapshot tells about the pseudonyms it shows. */
export interface FoundNames {
  readonly known: ReadonlyMap<string, string>
  readonly sealed: readonly SealedName[]
}

interface SealedName {
  readonly pseudonym: string
  readonly kind: IdentityKind
  readonly type: string
  readonly entry_id: string
  readonly entry_type: string
  readonly sealed: unknown
}

export interface People {
  /** Reads the sealed identifiers of those not known yet, within the report's snapshot. Opens nothing. */
  find(transaction: ProjectionTransaction, clinic: string, pseudonyms: Iterable<string | null>): Promise<FoundNames>
  /** Opens them, outside any transaction: the vault may need a connection of its own. */
  open(clinic: string, vault: ClinicVault, found: FoundNames): Promise<Names>
}

export interface PeopleOptions {
  /** Identifiers kept, over all clinics. Defaults to 50,000. */
  readonly cacheSize?: number
  /**
   * For how long an identifier once opened is shown without asking the vault. Milliseconds; defaults to 60,000. The vault itself uses a data
   * key for a while without asking its store (`dataKeyTtlMs`), and an identifier may be opened at the end of that while: an erasure shows on
   * every replica after both, two minutes unless configured otherwise.
   */
  readonly ttlMs?: number
  /** Defaults to the system's. */
  readonly clock?: Clock
}

export const createPeople = ({ cacheSize = 50_000, ttlMs = 60_000, clock = systemClock }: PeopleOptions = {}): People => {
  const cache = createExpiringCache<string, string>({ max: cacheSize, ttlMs, clock })

  const openOne = async (clinic: string, vault: ClinicVault, row: SealedName): Promise<string> => {
    if (row.sealed === null) return `erased:${row.pseudonym}`
    const asked = clock.monotonic()
    const opened = await vault.open(row.sealed as Sealed, { clinic, entryId: row.entry_id, entryType: row.entry_type })
    if (opened.kind === 'key_destroyed') return `erased:${row.pseudonym}`
    const { id } = opened.value as { readonly id: string }
    // A row of the read model that was given another's sealed part would show one person's accesses under another's name.
    if (vault.pseudonym({ kind: row.kind, type: row.type, id }) !== row.pseudonym) {
      throw new ChartwardenError('INTERNAL', { cause: new Error('an identity of the read models does not belong to its pseudonym') })
    }
    cache.set(`${clinic}/${row.pseudonym}`, id, asked)
    return id
  }

  return {
    find: async (transaction, clinic, pseudonyms) => {
      const known = new Map<string, string>()
      const missing = new Set<string>()
      for (const pseudonym of pseudonyms) {
        if (pseudonym === null) continue
        const id = cache.get(`${clinic}/${pseudonym}`)
        if (id === undefined) missing.add(pseudonym)
        else known.set(pseudonym, id)
      }
      if (missing.size === 0) return { known, sealed: [] }
      const sealed = await transaction
        .selectFrom('identities')
        .select(['pseudonym', 'kind', 'type', 'entry_id', 'entry_type', 'sealed'])
        .where('clinic', '=', clinic)
        .where('pseudonym', 'in', [...missing])
        .execute()
      return { known, sealed }
    },
    open: async (clinic, vault, { known, sealed }) => {
      const opened = await Promise.all(sealed.map(async (row) => [row.pseudonym, await openOne(clinic, vault, row)] as const))
      const names = new Map([...known, ...opened])
      const name = (pseudonym: string) => names.get(pseudonym) ?? `unknown:${pseudonym}`
      return {
        subject: (type, pseudonym) => ({ type, id: name(pseudonym) }),
        patient: (pseudonym) => (pseudonym === null ? '' : name(pseudonym)),
      }
    },
  }
}
