/** Checking a clinic's ledger through a running service. */
import { timestampMs } from '@bufbuild/protobuf/wkt'
import type { CheckResult } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { bundlePath, parseTilePath } from '../../services/audit/log/tile.ts'
import { exclusion, notJudged, notWitnessed } from '../../services/audit/log/verify/exclusions.ts'
import { type Fault, isFaultKind } from '../../services/audit/log/verify/fault.ts'
import { readCheckpoint } from '../../services/audit/log/verify/kept.ts'
import type { LedgerReport } from '../../services/audit/log/verify/report.ts'
import { greatest } from '../../services/audit/log/verify/sizes.ts'
import { type FetchResource, readTlog } from '../../services/audit/log/verify/sources/tlog-source.ts'
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

/** Undefined for what the service refuses as damaged. */
const unlessDamaged = (thrown: unknown): undefined => {
  if (reasonOf(thrown) !== 'LOG_DAMAGED') throw thrown
}

const reasonOf = (thrown: unknown): string | undefined => (thrown instanceof ChartwardenError ? thrown.reason : undefined)

/** Damage for which no entry was read, so that no receipt is proven either. */
const nothingRead = (clinic: string, { receipts }: Anchors) =>
  ({
    outcome: 'damaged',
    clinic,
    entries: 0n,
    size: 0n,
    root: undefined,
    firstTime: undefined,
    lastTime: undefined,
    anchors: [],
    receipts: receipts.map(({ label, index: revision, size }) => ({ label, revision, size, proven: false })),
    moreFaults: false,
  }) as const

/** Of a service that does not stand by the checkpoint it has stored: nothing can be read that would be compared with what was given. */
const refusedCheckpoint = (clinic: string, anchors: Anchors): LedgerReport => ({
  ...nothingRead(clinic, anchors),
  faults: [
    {
      kind: 'checkpoint_invalid',
      clinic,
      revision: 0n,
      lastRevision: 0n,
      detail:
        'The service itself refuses the newest checkpoint that it has stored: it is not what a key of the log has signed. So it shows no entries; read the database itself (--database).',
    },
  ],
  notExcluded: [exclusion('true_when_recorded'), notWitnessed(anchors.policy)],
})

/** What the service says of a log beside its newest checkpoint. Sizes in entries. */
export interface LogStanding {
  readonly clinic: string
  /** That are published. */
  readonly published: bigint
  /** In the ledger, published or not. */
  readonly sequenced: bigint
  /** Why nothing more is signed; empty: it is not halted. */
  readonly halted: string
  /** That were signed, where it is halted; 0: it is not known there. */
  readonly signed: bigint
}

/** Entries that were signed and are gone by the word of the service; undefined: none are. */
const goneFault = ({ clinic, sequenced, signed }: LogStanding): Fault | undefined =>
  signed <= sequenced
    ? undefined
    : {
        kind: 'ledger_rolled_back',
        clinic,
        revision: sequenced,
        lastRevision: signed - 1n,
        detail:
          'The signer store of the service knows that these entries were signed; they are not there: an older copy is in use. docs/how-to/mend-a-log.md says what to do.',
      }

/** With what the service itself says of the log: that it is halted, what was lost, and what is not published. */
export const withStanding = (report: LedgerReport, standing: LogStanding): LedgerReport => {
  const { published, sequenced, halted } = standing
  const gone = report.faults.some(({ kind }) => kind === 'ledger_rolled_back') ? undefined : goneFault(standing)
  const unpublished = sequenced > published && report.size === published
  const { reason, ...rest } = report
  return {
    ...(gone === undefined ? report : rest),
    ...(gone === undefined ? {} : { outcome: 'damaged', faults: [...report.faults, gone] }),
    ...(halted === '' ? {} : { halted }),
    notExcluded: [
      ...report.notExcluded,
      ...(unpublished ? [exclusion('not_published', { from: published, count: sequenced - published })] : []),
    ],
  }
}

/** Of a clinic that is not served, because its ledger ends before what was signed: reading entries would be recorded, and nothing is now. */
const behindReport = ({ anchors }: Pick<VerifyServiceOptions, 'anchors'>, standing: LogStanding): LedgerReport => {
  const { clinic, sequenced, signed } = standing
  const given = [...anchors.checkpoints, ...anchors.receipts].map(({ size }) => size)
  const known = greatest([signed, ...given])
  const fault: Fault = goneFault(standing) ?? {
    kind: 'ledger_rolled_back',
    clinic,
    revision: sequenced,
    lastRevision: known > sequenced ? known - 1n : sequenced,
    detail:
      'The service itself found that the ledger ends before what was signed of it: an older copy is in use. docs/how-to/mend-a-log.md says what to do.',
  }
  return {
    ...nothingRead(clinic, anchors),
    faults: [fault],
    halted: standing.halted === '' ? 'ledger_behind' : standing.halted,
    notExcluded: [
      exclusion('true_when_recorded'),
      ...(sequenced > 0n ? [notJudged({ from: 0n, to: sequenced - 1n })] : []),
      notWitnessed(anchors.policy),
    ],
  }
}

/**
 * Fetches what can be had. A bundle with an entry that is not there is refused whole, so the widest one is looked for that is given: all
 * entries ahead of the first that is missing.
 */
const fetchFrom = (get: (path: string, limit: number) => Promise<Buffer>): FetchResource => {
  const fetch = async (path: string, limit: number): Promise<Buffer | undefined> => {
    try {
      return await get(path, limit)
    } catch (thrown) {
      const reason = reasonOf(thrown)
      if (reason === 'TILE_UNKNOWN') return undefined
      if (reason !== 'LOG_DAMAGED') throw thrown
      const named = parseTilePath(path)
      return named?.kind === 'entries' ? await ahead(named.index, named.width, limit) : undefined
    }
  }
  const ahead = async (index: bigint, width: number, limit: number): Promise<Buffer | undefined> => {
    let [given, refused] = [0, width]
    let widest: Buffer | undefined
    while (refused - given > 1) {
      const half = (given + refused) >> 1
      try {
        widest = await get(bundlePath(index, half), limit)
        given = half
      } catch (thrown) {
        if (reasonOf(thrown) !== 'LOG_DAMAGED') throw thrown
        refused = half
      }
    }
    return widest
  }
  return fetch
}

/**
 * Reads the published log over HTTP and compares it. The keys are those that the service shows. What the service refuses as damaged is
 * taken as not there, so that the report names it.
 */
export const verifyService = async (session: Session, { clinic, anchors, httpAddress }: VerifyServiceOptions): Promise<LedgerReport> => {
  const { audit } = await session.connect(needsOf(clinic))
  const address = httpAddress ?? developmentSetting(session.io.environment, 'CHARTWARDEN_HTTP_ADDR')
  const http = createHttpResources(await session.overHttp(address, needsOf(clinic)))
  try {
    const published = await http.get(`/v1/clinics/${clinic}/log/checkpoint`, mostNoteBytes).catch(unlessDamaged)
    if (published === undefined) return refusedCheckpoint(clinic, anchors)
    const note = published.toString('utf8')
    const checkpoint = readCheckpoint(note, 'the published checkpoint')
    if (checkpoint === undefined || checkpoint.clinic !== clinic) {
      throw new ChartwardenError('INTERNAL', { message: `What the service publishes is no checkpoint of ${clinic}.` })
    }
    const { verifierKeys, sequenced, halted, signed } = await audit.getCheckpoint({ clinic })
    const { size, origin } = checkpoint
    const standing = { clinic, published: size, sequenced, halted, signed }
    const prefix = origin.slice(origin.indexOf('/v1/clinics/'))
    const fetch = fetchFrom((path, limit) => http.get(`${prefix}/${path}`, limit))
    const { onProgress, stop } = trackProgress(session, `Entries of ${clinic}`, size)
    try {
      const read = () => readTlog({ fetch, size })
      const source = { clinic, published: [note], verifierKeys, hasColumns: false, read }
      return withStanding(await verifyLedger({ source, anchors, onProgress }), standing)
    } catch (thrown) {
      if (reasonOf(thrown) !== 'LEDGER_REGRESSED') throw thrown
      return behindReport({ anchors }, standing)
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
