/** All of access over gRPC with a ledger in memory, under a clock that the test moves. */

import type { Test } from 'tap'
import { createAccess } from '../../services/access/index.ts'
import { createBatcher } from '../../services/audit/batcher.ts'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import { openEnvelope } from '../../services/audit/entry.ts'
import type { Ledger } from '../../services/audit/ledger.ts'
import { createLedgerClock } from '../../services/audit/ledger-clock.ts'
import { createVault } from '../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../services/audit/vault/memory-key-store.ts'
import type { Vault } from '../../services/audit/vault.ts'
import { createGrpcClient } from '../../services/kernel/grpc/client.ts'
import { createGrpcServer } from '../../services/kernel/grpc/server.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { methodRules, type Scope } from '../../services/kernel/scopes.ts'
import { clientsOf } from './clinic.ts'
import { doorKeys, doorParts } from './door-parts.ts'
import type { ReadEntry } from './ledger-reader.ts'
import type { ManualClock } from './manual-clock.ts'
import { ownScopes } from './service.ts'
import { signJwt } from './signing-key.ts'
import { refusingAudit } from './stream-service.ts'
import { claimsAt } from './token-cases.ts'

/** There is no log beside a ledger in memory. */
const { getCheckpoint, proveInclusion, proveConsistency, awaitReceipt, checkLedger } = refusingAudit

export interface AccessOverGrpcOptions {
  /** Stands between the service and its ledger. */
  readonly decorateLedger?: (ledger: Ledger) => Ledger
  /** Stands between the service and its vault. */
  readonly decorateVault?: (vault: Vault) => Vault
  /** The ledger's own clock, by that of the service. Defaults to the same. */
  readonly ledgerClock?: (clock: ManualClock) => ManualClock
}

export const accessOverGrpc = async (
  t: Test,
  {
    decorateLedger = (ledger) => ledger,
    decorateVault = (vault) => vault,
    ledgerClock: clockOf = (clock) => clock,
  }: AccessOverGrpcOptions = {},
) => {
  const { clock, timers, log, verifier } = await doorParts()
  const engine = createMemoryEngine({ clock: clockOf(clock) })
  const keyStore = createMemoryKeyStore()
  const vault = createVault({
    masterKey: createMasterKey(systemRandomness.bytes(32), systemRandomness),
    keyStore,
    randomness: systemRandomness,
    clock,
  })
  const ledgerClock = createLedgerClock({ clock })
  const batcher = createBatcher({ engine, clock, ledgerClock })
  await batcher.time()
  const access = createAccess({
    ledger: decorateLedger(batcher),
    entries: batcher,
    ledgerClock,
    vault: decorateVault(vault),
    lock: (_clinic, _wanted, work) => work(),
    clock,
    randomness: systemRandomness,
    maxBatchItems: 512,
    defaultDeadlineMs: 10_000,
    pageTokenKey: systemRandomness.bytes(32),
    onFault: (error) => t.error(error),
    onExpiryFault: (error) => t.error(error),
    log: { getCheckpoint, proveInclusion, proveConsistency, awaitReceipt, checkLedger },
  })
  const server = createGrpcServer({
    address: { host: '127.0.0.1', port: 0 },
    tls: undefined,
    verifier,
    services: access.services,
    methodRules,
    onRefusal: () => {},
    logger: log.logger,
    clock,
    timers,
    randomness: systemRandomness,
    maxMessageBytes: 1_048_576,
    defaultDeadlineMs: 10_000,
    reflection: false,
  })
  const address = `127.0.0.1:${await server.start()}`
  t.teardown(async () => {
    server.close()
    verifier.close()
    await batcher.drain()
    await engine.close()
  })
  /** Clients of one caller; the token holds for a week of the test's clock. */
  const clients = (clinic: string, scopes: readonly Scope[] = ownScopes) => {
    const exp = Math.floor(clock.wall() / 1_000) + 7 * 86_400
    const token = signJwt(doorKeys.ed, { ...claimsAt(clock.wall()), clinic, scope: scopes.join(' '), exp })
    return clientsOf(
      {
        client: (definition, given) => {
          const client = createGrpcClient(definition, { address, token: given })
          t.teardown(() => client.disconnect())
          return client
        },
      },
      token,
    )
  }
  const entries = async (clinic: string): Promise<readonly ReadEntry[]> => {
    const found: ReadEntry[] = []
    for await (const { revision, type, bytes } of engine.read(clinic, 0n, 1_000_000n)) {
      found.push({ revision, type, data: openEnvelope(bytes).data })
    }
    return found
  }
  return { clock, engine, vault, keyStore, access, clients, entries }
}
