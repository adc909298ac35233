/** The public face of access: everything that decides, records and administers, and its gRPC doors. */

import { AccessService } from '../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { ClinicService, PolicyService, RelationshipService, StaffService } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ConsentService } from '../../proto/gen/chartwarden/access/v1/consent_pb.js'
import { DirectoryService } from '../../proto/gen/chartwarden/access/v1/directory_pb.js'
import { EmergencyService } from '../../proto/gen/chartwarden/access/v1/emergency_pb.js'
import { AuditService } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import type { ClinicEntries } from '../audit/clinic-entries.ts'
import type { ClinicLock } from '../audit/clinic-lock.ts'
import { createIdentities } from '../audit/identities.ts'
import type { Ledger } from '../audit/ledger.ts'
import type { LedgerClock } from '../audit/ledger-clock.ts'
import type { LogHandlers } from '../audit/log/doors/log-handlers.ts'
import type { Vault } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import type { Clock } from '../kernel/clock.ts'
import { ChartwardenError } from '../kernel/errors.ts'
import { implement, type ServiceImplementation } from '../kernel/grpc/implement.ts'
import type { Randomness } from '../kernel/ids.ts'
import { createPageTokens } from '../kernel/page-tokens.ts'
import type { Tracer } from '../kernel/telemetry/tracer.ts'
import { createAdministration } from './administration.ts'
import { createCheck } from './check.ts'
import { createClinicWriters } from './clinic-writer.ts'
import { explainHandlers } from './doors/grpc-access-explain.ts'
import { accessServiceHandlers } from './doors/grpc-access-service.ts'
import { exportHandler } from './doors/grpc-audit-export.ts'
import { importHandler } from './doors/grpc-audit-import.ts'
import { recordingHandlers } from './doors/grpc-audit-recordings.ts'
import { auditServiceHandlers } from './doors/grpc-audit-service.ts'
import { clinicServiceHandlers } from './doors/grpc-clinic-service.ts'
import { consentServiceHandlers } from './doors/grpc-consent-service.ts'
import { directoryServiceHandlers } from './doors/grpc-directory-service.ts'
import { emergencyServiceHandlers } from './doors/grpc-emergency-service.ts'
import { type LogKeyRotation, logKeyHandlers } from './doors/grpc-log-keys.ts'
import { policyServiceHandlers } from './doors/grpc-policy-service.ts'
import { simulateHandler } from './doors/grpc-policy-simulate.ts'
import { relationshipServiceHandlers } from './doors/grpc-relationship-service.ts'
import { staffServiceHandlers } from './doors/grpc-staff-service.ts'
import { createEmergencyView } from './emergency-view.ts'
import { createExpiry, type Expiry } from './expiry.ts'
import { createExplain } from './explain.ts'
import { createExportEntries, type ExportSources } from './export-entries.ts'
import { createImportLedger } from './import-ledger.ts'
import { createReadPage } from './listing/pages.ts'
import type { AccessObserver } from './observer.ts'
import { createPastStates } from './past-states.ts'
import { createPinnedReading } from './pinned-reading.ts'
import { createEntryReader } from './read-entries.ts'
import { type AuthoriseReading, createAuthoriseReading } from './reading.ts'
import { createFindAccesses, createRecordAccess } from './record-access.ts'
import { createRecordConcern } from './record-concern.ts'
import { createRecordDisclosure } from './record-disclosure.ts'
import { createRegisterClinic } from './register-clinic.ts'
import { createSimulate } from './simulate.ts'
import type { Snapshots } from './snapshots.ts'
import { createStaffView } from './staff-view.ts'
import { createWhatCan } from './what-can.ts'
import { createWhoCan } from './who-can.ts'

// biome-ignore lint/correctness/useYield: it refuses
const notOfferedStream = async function* (): AsyncGenerator<never> {
  throw new ChartwardenError('UNIMPLEMENTED')
}

const notMoving = { exportEntries: notOfferedStream, importLedger: notOfferedStream }

export interface AccessOptions {
  readonly ledger: Ledger
  /** Shows entries to people, one clinic at a time. */
  readonly entries: ClinicEntries
  readonly ledgerClock: LedgerClock
  /** Undefined: every state is folded from the beginning of its ledger. */
  readonly snapshots?: Snapshots
  readonly vault: Vault
  readonly lock: ClinicLock
  readonly clock: Clock
  readonly randomness: Randomness
  /** Items of one batch. */
  readonly maxBatchItems: number
  /** Time for one question of a stream, in milliseconds. */
  readonly defaultDeadlineMs: number
  /** At least 32 bytes; the same on all replicas. */
  readonly pageTokenKey: Uint8Array
  /** Questions of one stream decided at once. Defaults to 512. */
  readonly maxStreamInFlight?: number
  /** Faults of single items, for the log. */
  readonly onFault: (error: unknown, context: CallContext) => void
  /** Faults of recording what has ended, with the clinic they concern, for the log; tried again. */
  readonly onExpiryFault: (error: unknown, clinic: string | undefined) => void
  readonly tracer?: Tracer | undefined
  readonly observer?: AccessObserver | undefined
  /** What the audit service says of logs. */
  readonly log: LogHandlers
  /** Undefined: nothing is signed. */
  readonly logKeyRotation?: LogKeyRotation | undefined
  /** What carries entries and keys out and in; undefined: neither is offered. */
  readonly transfer?: ExportSources | undefined
  /** Throws LEDGER_REGRESSED for a clinic whose state answers nobody; undefined: every clinic is served. */
  readonly requireServed?: ((clinic: string) => void) | undefined
}

export interface Access {
  readonly services: readonly ServiceImplementation[]
  readonly authoriseReading: AuthoriseReading
  /** Records what has ended by itself; whoever wires access starts and stops it. */
  readonly expiry: Expiry
}

/** Wires access over a ledger and a vault. It holds nothing that has to be closed but what was started. */
export const createAccess = (options: AccessOptions): Access => {
  const {
    ledger,
    entries,
    ledgerClock,
    snapshots,
    vault,
    lock,
    clock,
    randomness,
    maxBatchItems,
    defaultDeadlineMs,
    pageTokenKey,
    maxStreamInFlight = 512,
    onFault,
    onExpiryFault,
    tracer,
    observer,
    log,
    logKeyRotation,
    transfer,
    requireServed,
  } = options
  const { now } = ledgerClock
  const identities = createIdentities({ ledger, now, randomness, clock })
  const writers = createClinicWriters({
    ledger,
    vault,
    now,
    clock,
    tracer,
    observer,
    requireServed,
    ...(snapshots === undefined ? {} : { snapshots }),
  })
  const check = createCheck({ writers, identities, randomness, now, observer })
  const administration = createAdministration({ ledger, writers, identities, randomness, clock, now })
  const authorise = createAuthoriseReading({ writers, identities, randomness, now })
  const registerClinic = createRegisterClinic({ ledger, vault, lock, identities, randomness, now })
  const recording = { ledger, writers, identities, randomness, clock, now }
  const recordAccess = createRecordAccess(recording)
  const findAccesses = createFindAccesses(recording)
  const recordDisclosure = createRecordDisclosure(recording)
  const recordConcern = createRecordConcern(recording)
  const reader = createEntryReader({ ledger, entries, authorise, now })
  const pageTokens = createPageTokens({ key: pageTokenKey, clock, randomness })
  const view = createStaffView({ ledger, identities })
  const past = createPastStates({ ledger, clock, now })
  const pinned = createPinnedReading({ clock, now })
  const readPage = createReadPage({ ledger, authorise, tokens: pageTokens, pinned, past })
  const explain = createExplain({ authorise, pinned, past, now })
  const whoCan = createWhoCan({ identities, readPage })
  const whatCan = createWhatCan({ ledger, identities, readPage })
  const simulate = createSimulate({ ledger, entries, authorise, identities, pinned, clock, now })
  const moving = (sources: ExportSources) => ({
    ...exportHandler({ exportEntries: createExportEntries({ ...sources, authorise, identities, randomness, now }), randomness }),
    ...importHandler({
      importLedger: createImportLedger({ ledger, vault, lock, keys: sources.keys, writers, randomness }),
      randomness,
      originOf: logKeyRotation?.originOf,
    }),
  })
  return {
    authoriseReading: authorise,
    expiry: createExpiry({ ledger, writers, randomness, now, clock, onFault: onExpiryFault }),
    services: [
      implement(AccessService, {
        ...accessServiceHandlers({ check, clock, randomness, maxBatchItems, defaultDeadlineMs, maxStreamInFlight, onFault }),
        ...explainHandlers({ explain, whoCan, whatCan, randomness }),
      }),
      implement(AuditService, {
        ...auditServiceHandlers({ recordAccess, findAccesses, reader, randomness, maxBatchItems, onFault }),
        ...recordingHandlers({ recordDisclosure, recordConcern, randomness }),
        ...log,
        ...logKeyHandlers({ administration, rotation: logKeyRotation, randomness }),
        ...(transfer === undefined ? notMoving : moving(transfer)),
      }),
      implement(ClinicService, clinicServiceHandlers({ registerClinic, writers, ledger, randomness })),
      implement(StaffService, staffServiceHandlers({ administration, authorise, view, past, now, randomness })),
      implement(PolicyService, {
        ...policyServiceHandlers({ administration, writers, randomness, now }),
        ...simulateHandler({ simulate, randomness }),
      }),
      implement(RelationshipService, relationshipServiceHandlers({ administration, randomness })),
      implement(DirectoryService, directoryServiceHandlers({ administration, authorise, identities, randomness })),
      implement(ConsentService, consentServiceHandlers({ administration, authorise, identities, randomness, now })),
      implement(
        EmergencyService,
        emergencyServiceHandlers({
          administration,
          authorise,
          view: createEmergencyView({ ledger, identities, now }),
          pageTokens,
          randomness,
        }),
      ),
    ],
  }
}
