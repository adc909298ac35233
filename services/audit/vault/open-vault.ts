import type { Clock } from '../../kernel/clock.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Randomness } from '../../kernel/ids.ts'
import { StartError } from '../../kernel/start-error.ts'
import { systemLedger } from '../ledger.ts'
import type { Vault } from '../vault.ts'
import { createVault } from './create-vault.ts'
import type { KeyStore } from './key-store.ts'
import { createMasterKey } from './master-key.ts'
import type { MasterKeySource } from './master-key-source.ts'

export interface OpenVaultOptions {
  /** Makes a key, where it can, only while the key store is still empty. */
  readonly source: MasterKeySource
  readonly keyStore: KeyStore
  readonly clock: Clock
  readonly randomness: Randomness
}

export interface OpenedVault {
  readonly vault: Vault
  readonly masterKey: Buffer
}

/**
 * Opens the vault under the one master key its keys are wrapped under. The keys of the system ledger, made at the first start, are the
 * proof: a lost, wrong or new master key is a StartError here, before a clinic could be registered under a key nobody else has.
 */
export const openVault = async ({ source, keyStore, clock, randomness }: OpenVaultOptions): Promise<OpenedVault> => {
  const inUse = (await keyStore.clinicKeys(systemLedger)) !== undefined
  const masterKey = await (inUse ? source.read() : (source.readOrCreate ?? source.read)())
  const vault = createVault({ masterKey: createMasterKey(masterKey, randomness), keyStore, clock, randomness })
  try {
    await vault.createClinic(systemLedger)
  } catch (cause) {
    if (!(cause instanceof ChartwardenError && cause.reason === 'INTERNAL')) throw cause
    throw new StartError(`${source.name} is not the master key that the keys in this database are wrapped under; restore the right one.`, {
      cause,
    })
  }
  return { vault, masterKey }
}
