/** Everything that decides and records, over real gRPC and a ledger in memory, under a clock the test moves. */
import type { Test } from 'tap'
import { createAccess } from '../../services/access/index.ts'
import { openEnvelope } from '../../services/audit/entry.ts'
import { createBatcher } from '../../services/audit/batcher.ts'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import type { Ledger } from '../../services/audit/ledger.ts'
import { createLedgerClock } from '../../services/audit/ledger-clock.ts'
import { createVault } from '../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../services/audit/vault/memory-key-store.ts'
import { createGrpcClient } from '../../services/kernel/grpc/client.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import type { Scope } from '../../services/kernel/scopes.ts'
import { clientsOf } from './clinic.ts'
import { grpcDoor } from './grpc-door.ts'
import type { ReadEntry } from './ledger-reader.ts'
import type { ManualClock } from './manual-clock.ts'
import { ownScopes } from './service.ts'

export interface UnderClockOptions {
  /** Stands between the service and its ledger. */
  readonly decorateLedger?: (ledger: Ledger) => Ledger
  /** The ledger's own clock, by that of the service. Defaults to the same. */
  readonly ledgerClock?: (clock: ManualClock) => ManualClock
}

const week = 7 * 86_400

export const startUnderClock = async (t: Test, { decorateLedger = (ledger) => ledger, ledgerClock: clockOf = (clock) => clock }: UnderClockOptions = {}) => {
  let inside: { readonly ledger: Ledger; readonly access: ReturnType<typeof createAccess> } | undefined
  const door = await grpcDoor(t, {
    services: (clock) => {
      const ledgerClock = createLedgerClock({ clock })
      const ledger = createBatcher({ engine: createMemoryEngine({ clock: clockOf(clock) }), clock, ledgerClock })
      const access = createAccess({
        ledger: decorateLedger(ledger),
        entries: ledger,
        ledgerClock,
        vault: createVault({
          masterKey: createMasterKey(systemRandomness.bytes(32), systemRandomness),
          keyStore: createMemoryKeyStore(),
          randomness: systemRandomness,
        }),
        clock,
        randomness: systemRandomness,
        maxBatchItems: 512,
        defaultDeadlineMs: 10_000,
        pageTokenKey: Buffer.alloc(32, 7),
        onFault: (error) => t.error(error),
        onExpiryFault: (error) => t.error(error),
      })
      inside = { ledger, access }
      return access.services
    },
  })
  const { ledger, access } = inside as unknown as NonNullable<typeof inside>
  const { clock, address } = door
  /** Tokens of the clinic "north" that last for a week of the test's clock. */
  const clients = (scopes: readonly Scope[] = ownScopes) => {
    const token = door.token({ scope: scopes.join(' '), exp: Math.floor(clock.wall() / 1_000) + week })
    return clientsOf(
      {
        client: (service, bearer) => {
          const client = createGrpcClient(service, { address, token: bearer })
          t.teardown(() => client.close())
          return client
        },
      },
      token,
    )
  }
  const entries = async (clinic: string): Promise<readonly ReadEntry[]> => {
    const found: ReadEntry[] = []
    for await (const { revision, type, bytes } of ledger.read(clinic, 0n, 1_000_000n)) {
      found.push({ revision, type, data: openEnvelope(bytes).data })
    }
    return found
  }
  return { clock, ledger, access, clients, entries }
}

export type UnderClock = Awaited<ReturnType<typeof startUnderClock>>
