import { systemClock } from '../../services/kernel/clock.ts'
import { createPeople } from '../../services/projections/reports/people.ts'
import type { PageRange, ReportCall } from '../../services/projections/reports/report-call.ts'
import { createReportReader } from '../../services/projections/reports/report-reader.ts'
import type { LedgerScript } from './ledger-script.ts'
import type { ProjectionHouse } from './projections.ts'

/** A call of a report over a house, for reports that are told what time it is. */
export const reportCallOf = (
  { queryPool }: Pick<ProjectionHouse, 'queryPool'>,
  { clinic, vault }: Pick<LedgerScript, 'clinic' | 'vault'>,
  projections: readonly string[],
): ReportCall => ({
  clinic,
  projections,
  vault,
  reader: createReportReader({ pool: queryPool, clock: systemClock }),
  people: createPeople(),
  unseal: true,
  deadline: systemClock.monotonic() + 60_000,
})

/** The first page, of a hundred rows, as far as the read models have come. */
export const firstPage: PageRange = { through: undefined, after: undefined, limit: 100 }
