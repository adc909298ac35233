import { Command } from 'commander'
import type { Act } from '../program.ts'
import { recordCommand } from './disclosure/record.ts'

export const disclosureCommand = (act: Act): Command =>
  new Command('disclosure')
    .description('What left the clinic about a patient; `report disclosures` accounts for it.')
    .addCommand(recordCommand(act))
