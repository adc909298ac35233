import { Command } from 'commander'
import type { Act } from '../program.ts'
import { accessCommand } from './report/access.ts'
import { activityCommand } from './report/activity.ts'
import { concernsCommand } from './report/concerns.ts'
import { disclosuresCommand } from './report/disclosures.ts'
import { emergenciesCommand } from './report/emergencies.ts'
import { grantsCommand } from './report/grants.ts'
import { offboardingsCommand } from './report/offboardings.ts'
import { patientCommand } from './report/patient.ts'
import { scopeCommand } from './report/scope.ts'
import { summaryCommand } from './report/summary.ts'
import { watchCommand } from './report/watch.ts'

export const reportCommand = (act: Act): Command => {
  const report = new Command('report').description(
    'What a compliance officer asks. Complete: every page and every row; reading is itself recorded.',
  )
  for (const make of [
    accessCommand,
    summaryCommand,
    patientCommand,
    activityCommand,
    scopeCommand,
    grantsCommand,
    offboardingsCommand,
    disclosuresCommand,
    emergenciesCommand,
    concernsCommand,
    watchCommand,
  ])
    report.addCommand(make(act))
  return report
}
