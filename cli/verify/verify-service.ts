/** Checking a clinic's ledger through a running service. */
import { timestampMs } from '@bufbuild/protobuf/wkt'
import type { CheckResult } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { type Fault, isFaultKind } from '../../services/audit/log/verify/fault.ts'
import { readCheckpoint } from '../../services/audit/log/verify/kept.ts'
import type { LedgerReport } from '../../services/audit/log/verify/report.ts'
import { readTlog } from '../../services/audit/log/verify/sources/tlog-source.ts'
import { type Anchors, verifyLedger } from '../../services/audit/log/verify/verify-ledger.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import type { Connection } from '../connection.ts'
import { createProgress } from '../output/progress.ts'
import type { ConnectNeeds, Session } from '../session.ts'
import { developmentSetting } from '../settings.ts'
import { createHttpResources } from './http-resources.ts'
import { trackProgress } from './track-progress.ts'

const mostNoteBytes = 1_000_000

export interface VerifyServiceOptions {
  readonly clinic: string
  readonly anchors: Anchors
  /** host:port; undefined: as configured, else the default. */
  readonly httpAddress: string | undefined
}

const needsOf = (clinic: string): ConnectNeeds => ({ clinics: [clinic], scopes: ['ledger.verify'] })

/** Reads the published log over HTTP and compares it. The keys are those that the service shows. */
export const verifyService = async (session: Session, { clinic, anchors, httpAddress }: VerifyServiceOptions): Promise<LedgerReport> => {
  const { audit } = await session.connect(needsOf(clinic))
  const address = httpAddress ?? developmentSetting(session.io.environment, 'CHARTWARDEN_HTTP_ADDR')
  const http = createHttpResources(await session.overHttp(address, needsOf(clinic)))
  try {
    const note = (await http.get(`/v1/clinics/${clinic}/log/checkpoint`, mostNoteBytes)).toString('utf8')
    const checkpoint = readCheckpoint(note, 'the published checkpoint')
    if (checkpoint === undefined || checkpoint.clinic !== clinic) {
      throw new ChartwardenError('INTERNAL', { message: `What the service publishes is no checkpoint of ${clinic}.` })
    }
    const { verifierKeys } = await audit.getCheckpoint({ clinic })
    const { size, origin } = checkpoint
    const prefix = origin.slice(origin.indexOf('/v1/clinics/'))
    const fetch = async (path: string, limit: number): Promise<Buffer | undefined> => {
      try {
        return await http.get(`${prefix}/${path}`, limit)
      } catch (thrown) {
        if (thrown instanceof ChartwardenError && thrown.reason === 'TILE_UNKNOWN') return undefined
        throw thrown
      }
    }
    const { onProgress, stop } = trackProgress(session, `Entries of ${clinic}`, size)
    try {
      const read = () => readTlog({ fetch, size })
      return await verifyLedger({ source: { clinic, published: [note], verifierKeys, hasColumns: false, read }, anchors, onProgress })
    } finally {
      stop()
    }
  } finally {
    http.close()
  }
}

const faultOf = (clinic: string, { kind, revision, lastRevision, time, detail }: CheckResult['faults'][number]): Fault => {
  if (!isFaultKind(kind))
    throw new ChartwardenError('INTERNAL', { message: `The service reports a fault that this command does not know: ${kind}.` })
  return {
    kind,
    clinic,
    revision,
    lastRevision,
    ...(time === undefined ? {} : { time: new Date(timestampMs(time)).toISOString() }),
    detail,
  }
}

/** What the service found in its own state and read models, which nobody else sees. */
export interface OwnCheck {
  readonly wished: { readonly state: boolean; readonly projections: boolean }
  /** Whether it was compared. */
  readonly state: boolean
  readonly projections: boolean
  readonly faults: readonly Fault[]
  readonly moreFaults: boolean
  /** The entry that says so; undefined: none could be written. */
  readonly entry: { readonly id: string; readonly revision: bigint } | undefined
}

const lastOf = async (
  session: Session,
  { audit, stream }: Connection,
  request: { readonly clinic: string; readonly state: boolean; readonly projections: boolean },
): Promise<CheckResult | undefined> => {
  const progress = createProgress({ io: session.io, title: 'The service compares', always: !session.json, afterMs: 1000 })
  let done = 0n
  try {
    for await (const { item } of stream((signal) => audit.checkLedger(request, { signal }))) {
      if (item.case === 'result') return item.value
      if (item.case !== 'progress') continue
      if (item.value.done > done) progress.advance(Number(item.value.done - done))
      done = item.value.done
    }
    return undefined
  } finally {
    progress.stop()
  }
}

/** Has the service compare its kept state and its read models with the ledger. */
export const checkByService = async (
  session: Session,
  clinic: string,
  wishes: { readonly state: boolean; readonly projections: boolean },
): Promise<OwnCheck> => {
  const result = await lastOf(session, await session.connect(needsOf(clinic)), { clinic, ...wishes })
  if (result === undefined) throw new ChartwardenError('SERVICE_UNREACHABLE', { message: 'The check was cut before its result came.' })
  const { state, projections, faults, moreFaults, entry } = result
  return {
    wished: wishes,
    state,
    projections,
    faults: faults.map((fault) => faultOf(clinic, fault)),
    moreFaults,
    entry: entry && { id: entry.id, revision: entry.revision },
  }
}
