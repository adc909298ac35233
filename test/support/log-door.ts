/** The log's routes and methods over real HTTP, in front of a log in memory. */
import type { Test } from 'tap'
import { AuditService } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { createBundleReadings } from '../../services/audit/log/doors/bundle-readings.ts'
import { logHandlers } from '../../services/audit/log/doors/grpc-log-handlers.ts'
import { createLogRoutes } from '../../services/audit/log/doors/log-routes.ts'
import { createAwaitCheckpoint } from '../../services/audit/log/serve/await-checkpoint.ts'
import { createFindEntry } from '../../services/audit/log/serve/find-entries.ts'
import { createProver } from '../../services/audit/log/serve/prove.ts'
import { createPublishedLog, type LogDamage, type PublishedLogOptions } from '../../services/audit/log/serve/published-log.ts'
import type { CallContext } from '../../services/kernel/caller.ts'
import { createClinicGate } from '../../services/kernel/clinic-gate.ts'
import { implement } from '../../services/kernel/grpc/implement.ts'
import { httpDoor } from './http-door.ts'
import type { MemoryLog } from './memory-log.ts'
import { refusingAudit } from './stream-service.ts'
import { tlogClient } from './tlog-client.ts'

export interface LogDoorOptions extends Partial<Pick<PublishedLogOptions, 'policy' | 'signs' | 'verifierKeys' | 'cacheBytes'>> {
  readonly recordReading?: (context: CallContext, clinic: string) => Promise<void>
  readonly clinicPlaces?: number
  readonly maxCalls?: number
  /** Entries that were signed, by the signer store. */
  readonly signed?: bigint
}

/** What serves a log in memory, without doors. */
export const servedLog = (log: MemoryLog, options: LogDoorOptions = {}) => {
  const damages: LogDamage[] = []
  const handedOut: number[] = []
  const handOut = (): void => void handedOut.push(1)
  const published = createPublishedLog({
    reader: log.reader,
    ledger: log.ledger,
    verifierKeys: options.verifierKeys ?? log.verifierKeys,
    policy: options.policy,
    signs: options.signs ?? true,
    onDamage: (damage) => void damages.push(damage),
    ...(options.cacheBytes === undefined ? {} : { cacheBytes: options.cacheBytes }),
  })
  const prover = createProver(published)
  const signed = async (): Promise<bigint | undefined> => options.signed
  const handlers = logHandlers({
    log: published,
    prover,
    findEntry: createFindEntry({ entries: log.clinicEntries, ledger: log.ledger, signed }),
    awaitCheckpoint: createAwaitCheckpoint({ log: published, reader: log.reader, witnessPollMs: 5 }),
    ledger: log.ledger,
    signed,
    handOut,
  })
  return { published, prover, handlers, damages, handedOut, handOut }
}

export const logDoor = async (t: Test, log: MemoryLog, options: LogDoorOptions = {}) => {
  const served = servedLog(log, options)
  const readings: { readonly caller: string; readonly clinic: string }[] = []
  const record = async (context: CallContext, clinic: string): Promise<void> => {
    await options.recordReading?.(context, clinic)
    readings.push({ caller: context.caller.id, clinic })
  }
  const door = await httpDoor(t, {
    services: [implement(AuditService, { ...refusingAudit, ...served.handlers })],
    ...(options.maxCalls === undefined ? {} : { maxCalls: options.maxCalls }),
    routes: (server, requireToken) => {
      const clock = { wall: () => door.clock.wall(), monotonic: () => door.clock.monotonic() }
      createLogRoutes({
        log: served.published,
        entries: log.clinicEntries,
        recordReading: createBundleReadings({ record, clock }),
        handOut: served.handOut,
        gate: createClinicGate({ clock, places: 32, clinicPlaces: options.clinicPlaces ?? 8 }),
        clock,
        timers: { after: (milliseconds, run) => door.timers.after(milliseconds, run) },
        defaultDeadlineMs: 10_000,
      })(server, requireToken)
    },
  })
  const token = (claims: Record<string, unknown> = {}): string => door.token({ scope: 'ledger.verify', ...claims })
  const start = async (): Promise<string> => `http://127.0.0.1:${await door.http.start()}/v1/clinics/${log.clinic}/log`
  return {
    ...door,
    ...served,
    readings,
    token,
    /** Listens and gives a client of the log's own address. */
    connect: async (bearer = token()) => tlogClient(await start(), bearer),
    start,
  }
}
