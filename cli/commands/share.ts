import { Command } from 'commander'
import type { Act } from '../program.ts'
import { endCommand } from './share/end.ts'
import { recordCommand } from './share/record.ts'

export const shareCommand = (act: Act): Command => {
  const share = new Command('share').description('What was shared with a lab or a specialist: what permissions for shared records look at.')
  for (const make of [recordCommand, endCommand]) share.addCommand(make(act))
  return share
}
