/** The public face of access: everything that decides, records and administers, and its gRPC doors. */

import { AccessService } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { ClinicService, PolicyService, RelationshipService, StaffService } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { AuditService } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { createIdentities } from '../audit/identities.ts'
import type { Ledger } from '../audit/ledger.ts'
import type { LedgerClock } from '../audit/ledger-clock.ts'
import type { Vault } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import type { Clock } from '../kernel/clock.ts'
import { implement, type ServiceImplementation } from '../kernel/grpc/implement.ts'
import type { Randomness } from '../kernel/ids.ts'
import { createAdministration } from './administration.ts'
import { createCheck } from './check.ts'
import { createClinicWriters } from './clinic-writer.ts'
import { accessServiceHandlers } from './doors/grpc-access-service.ts'
import { auditServiceHandlers } from './doors/grpc-audit-service.ts'
import { clinicServiceHandlers } from './doors/grpc-clinic-service.ts'
import { policyServiceHandlers } from './doors/grpc-policy-service.ts'
import { relationshipServiceHandlers } from './doors/grpc-relationship-service.ts'
import { staffServiceHandlers } from './doors/grpc-staff-service.ts'
import { createEntryReader } from './read-entries.ts'
import { type AuthoriseReading, createAuthoriseReading } from './reading.ts'
import { createRecordAccess } from './record-access.ts'
import { createRegisterClinic } from './register-clinic.ts'
import { createStaffView } from './staff-view.ts'

export interface AccessOptions {
  readonly ledger: Ledger
  /** Shows entries to people, one clinic at a time. */
  readonly entries: Pick<Ledger, 'read' | 'find'>
  readonly ledgerClock: LedgerClock
  readonly vault: Vault
  readonly clock: Clock
  readonly randomness: Randomness
  /** Items of one batch. */
  readonly maxBatchItems: number
  /** Time for one question of a stream, in milliseconds. */
  readonly defaultDeadlineMs: number
  /** Questions of one stream decided at once. Defaults to 512. */
  readonly maxStreamInFlight?: number
  /** Faults of single items, for the log. */
  readonly onFault: (error: unknown, context: CallContext) => void
}

export interface Access {
  readonly services: readonly ServiceImplementation[]
  readonly authoriseReading: AuthoriseReading
}

/** Wires access over a ledger and a vault. It holds nothing that has to be closed. */
export const createAccess = (options: AccessOptions): Access => {
  const {
    ledger,
    entries,
    ledgerClock,
    vault,
    clock,
    randomness,
    maxBatchItems,
    defaultDeadlineMs,
    maxStreamInFlight = 512,
    onFault,
  } = options
  const { now } = ledgerClock
  const identities = createIdentities({ ledger, now, randomness, clock })
  const writers = createClinicWriters({ ledger, vault, now, clock })
  const check = createCheck({ writers, identities, randomness, now })
  const administration = createAdministration({ ledger, writers, identities, randomness, clock, now })
  const authorise = createAuthoriseReading({ writers, identities, randomness, now })
  const registerClinic = createRegisterClinic({ ledger, vault, identities, randomness, now })
  const recordAccess = createRecordAccess({ ledger, writers, identities, randomness, clock, now })
  const reader = createEntryReader({ ledger, entries, authorise, now })
  const view = createStaffView({ ledger, identities, now })
  return {
    authoriseReading: authorise,
    services: [
      implement(
        AccessService,
        accessServiceHandlers({ check, clock, randomness, maxBatchItems, defaultDeadlineMs, maxStreamInFlight, onFault }),
      ),
      implement(AuditService, auditServiceHandlers({ recordAccess, reader, randomness, maxBatchItems, onFault })),
      implement(ClinicService, clinicServiceHandlers({ registerClinic, writers, ledger, randomness })),
      implement(StaffService, staffServiceHandlers({ administration, authorise, view, randomness })),
      implement(PolicyService, policyServiceHandlers({ administration, writers, randomness, now })),
      implement(RelationshipService, relationshipServiceHandlers({ administration, randomness })),
    ],
  }
}
