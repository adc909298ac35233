import { Command } from 'commander'
import type { Act } from '../program.ts'
import { accessCommand } from './report/access.ts'
import { grantsCommand } from './report/grants.ts'
import { offboardingsCommand } from './report/offboardings.ts'

export const reportCommand = (act: Act): Command => {
  const report = new Command('report').description(
    'What a compliance officer asks. Complete: every page and every row; reading is itself recorded.',
  )
  for (const make of [accessCommand, grantsCommand, offboardingsCommand]) report.addCommand(make(act))
  return report
}
