/**
 * Keys that come back with a ledger must be its keys: each opens under the master key, and whoever is introduced in the ledger has the one that
 * the introduction committed to, or what is left of it. Found missing later, a name could never be read again.
 */
import type pg from 'pg'
import { openEnvelope } from '../../entry.ts'
import { identityEntryId } from '../../identities.ts'
import type { StoredEntry } from '../../ledger.ts'
import type { MasterKey } from '../../vault/master-key.ts'
import type { Pseudonym } from '../../vault.ts'
import { BackupError } from '../backup-error.ts'
import type { KeyRecord } from '../backup-format.ts'

/** What is wrapped in a record, and what it is bound to. */
const wrappedIn = (record: KeyRecord): readonly (readonly [wrapped: Uint8Array, name: string])[] => {
  switch (record.kind) {
    case 'clinic_keys':
      return [
        [record.pseudonymKey, 'pseudonym key'],
        [record.digestKey, 'digest key'],
      ]
    case 'identity_key':
      return record.wrappedKey === undefined ? [] : [[record.wrappedKey, record.pseudonym]]
    case 'log_key':
      return [[record.wrappedKey, `log key ${record.id}`]]
    case 'log_key_activation':
      return []
  }
}

/** Throws BackupError for a key that does not open. */
export const requireOpens = (masterKey: MasterKey, record: KeyRecord): void => {
  for (const [wrapped, name] of wrappedIn(record)) {
    try {
      masterKey.unwrap(wrapped, `${record.clinic}\n${name}`)
    } catch (cause) {
      throw new BackupError('content', `A key of clinic ${record.clinic} does not open under this master key.`, { cause })
    }
  }
}

const introduced = 'chartwarden.identity.introduced.v1'
const pageKeys = 1_000

const keysAfter = `select pseudonym, commitment from chartwarden_vault.identity_keys where clinic = $1 and pseudonym > $2 order by pseudonym limit ${pageKeys}`
const entriesOf = 'select bytes from chartwarden_ledger.entries where clinic = $1 and id = any ($2::uuid[]) and type = $3'
const introductions = 'select count(*) from chartwarden_ledger.entries where clinic = $1 and type = $2'

/** Of the rows that are there now. Throws BackupError where one that is introduced has no key, or another one. */
export const requireKeysOfIdentities = async (client: pg.ClientBase, clinic: string): Promise<void> => {
  const { rows: counted } = await client.query<{ count: string }>(introductions, [clinic, introduced])
  let missing = Number(counted[0]?.count ?? 0)
  for (let after = ''; missing > 0; ) {
    const { rows: keys } = await client.query<{ pseudonym: Pseudonym; commitment: string }>(keysAfter, [clinic, after])
    const commitments = new Map<string, string>(keys.map(({ pseudonym, commitment }) => [pseudonym, commitment]))
    const ids = keys.map(({ pseudonym }) => identityEntryId(clinic, pseudonym))
    const { rows: entries } = await client.query<Pick<StoredEntry, 'bytes'>>(entriesOf, [clinic, ids, introduced])
    for (const { bytes } of entries) {
      const { pseudonym, commit } = openEnvelope(bytes).data
      if (commitments.get(String(pseudonym)) !== commit) {
        throw new BackupError('content', `Clinic ${clinic}: the key of an identity is not the one that its introduction committed to.`)
      }
      missing -= 1
    }
    const last = keys.at(-1)
    if (last === undefined || keys.length < pageKeys) break
    after = last.pseudonym
  }
  if (missing > 0) {
    throw new BackupError('content', `Clinic ${clinic}: the backup lacks the keys of ${missing} identities that the ledger introduces.`)
  }
}
