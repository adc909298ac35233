/** The report service's handlers over a projection house, called as its gRPC door calls them; what access would decide is taken as permitted. */
import { create, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf'
import type { Test } from 'tap'
import {
  AccessHistoryRequestSchema,
  AccountScopeRequestSchema,
  ConcernsRequestSchema,
  DisclosuresRequestSchema,
  EmergencyReviewsRequestSchema,
  OffboardingsRequestSchema,
  PatientReportRequestSchema,
  RoleGrantsRequestSchema,
  StaffActivityRequestSchema,
  StreamAccessHistoryRequestSchema,
  StreamReportRequestSchema,
  SummaryRequestSchema,
} from '../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import type { Vault } from '../../services/audit/vault.ts'
import type { CallContext } from '../../services/kernel/caller.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import type { Scope } from '../../services/kernel/scopes.ts'
import { createProjections, type ProjectionsOptions } from '../../services/projections/index.ts'
import type { Reading } from '../../services/projections/reading.ts'
import type { LedgerScript } from './ledger-script.ts'
import { createLog, createProjectionHouse, type ProjectionHouse } from './projections.ts'

export interface ContextChoices {
  readonly caller?: string
  readonly scopes?: readonly Scope[]
  readonly withinMs?: number
  readonly signal?: AbortSignal
}

export const contextOf = (choices: ContextChoices = {}): CallContext => ({
  caller: {
    id: choices.caller ?? 'console',
    issuer: 'https://issuer.example',
    clinics: new Set(),
    scopes: new Set(choices.scopes ?? ['report.read', 'audit.unseal']),
    expiresAt: systemClock.wall() + 60_000,
  },
  correlationId: 'test',
  deadline: systemClock.monotonic() + (choices.withinMs ?? 20_000),
  signal: choices.signal ?? new AbortController().signal,
})

interface ReportChoices extends Pick<ProjectionsOptions, 'defaultDeadlineMs'> {
  /** Whether each reading becomes an entry, as access makes one. Defaults to true. */
  readonly recordReadings?: boolean
}

/** One replica over the house. */
export const reportsOf = (
  t: Test,
  house: ProjectionHouse,
  script: LedgerScript,
  vault: Vault,
  { recordReadings = true, ...choices }: ReportChoices = {},
) => {
  const readings: Reading[] = []
  const projections = createProjections({
    feed: house.engine,
    feedPool: house.feedPool,
    queryPool: house.queryPool,
    vault,
    authoriseReading: async (_, reading) => {
      readings.push(reading)
      if (!recordReadings || reading.continuation === true) return { revision: script.head() }
      const { query, streamed } = reading
      return script.write('chartwarden.trail.viewed.v1', { actor: { rule: 'scope/report.read' }, query, streamed })
    },
    pageTokenKey: Buffer.alloc(32, 1),
    clock: systemClock,
    randomness: systemRandomness,
    logger: createLog().logger,
    ...choices,
  })
  projections.runner.start()
  t.teardown(() => projections.runner.stop())
  const { handlers } = projections
  const calling =
    <Schema extends DescMessage, Answer>(schema: Schema, handler: (request: MessageShape<Schema>, context: CallContext) => Answer) =>
    (request: MessageInitShape<Schema>, context: CallContext = contextOf()): Answer =>
      handler(create(schema, { clinic: script.clinic, ...request } as MessageInitShape<Schema>), context)
  return {
    house,
    script,
    projections,
    /** Every reading that was authorised. */
    readings: readings as readonly Reading[],
    history: calling(AccessHistoryRequestSchema, handlers.accessHistory),
    grants: calling(RoleGrantsRequestSchema, handlers.roleGrants),
    leavers: calling(OffboardingsRequestSchema, handlers.offboardings),
    summary: calling(SummaryRequestSchema, handlers.summary),
    patient: calling(PatientReportRequestSchema, handlers.patientReport),
    activity: calling(StaffActivityRequestSchema, handlers.staffActivity),
    scope: calling(AccountScopeRequestSchema, handlers.accountScope),
    disclosures: calling(DisclosuresRequestSchema, handlers.disclosures),
    emergencies: calling(EmergencyReviewsRequestSchema, handlers.emergencyReviews),
    concerns: calling(ConcernsRequestSchema, handlers.concerns),
    stream: calling(StreamAccessHistoryRequestSchema, handlers.streamAccessHistory),
    streamReport: calling(StreamReportRequestSchema, handlers.streamReport),
    /** Until the read models hold everything written so far. */
    settle: (): Promise<void> =>
      projections.progress.waitFor(script.clinic, script.head(), systemClock.monotonic() + 20_000, new AbortController().signal),
  }
}

export type Reports = ReturnType<typeof reportsOf>

export const startReports = async (t: Test, choices: ReportChoices = {}): Promise<Reports> => {
  const house = await createProjectionHouse(t)
  return reportsOf(t, house, await house.script('north'), house.vault, choices)
}

/** Every row of a report, page by page; `limits` are the page sizes in turn. */
export const everyRow = async <Row>(
  ask: (
    page: { readonly pageSize: number; readonly pageToken: string },
    index: number,
  ) => Promise<{ readonly rows: readonly Row[]; readonly nextPageToken?: string }>,
  limits: readonly number[],
): Promise<Row[]> => {
  const rows: Row[] = []
  let pageToken = ''
  let index = 0
  do {
    const page = await ask({ pageSize: limits[index % limits.length] ?? 100, pageToken }, index)
    rows.push(...page.rows)
    pageToken = page.nextPageToken ?? ''
    index += 1
  } while (pageToken !== '')
  return rows
}
