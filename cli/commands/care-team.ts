import { Command } from 'commander'
import type { Act } from '../program.ts'
import { addCommand } from './care-team/add.ts'
import { removeCommand } from './care-team/remove.ts'

export const careTeamCommand = (act: Act): Command => {
  const careTeam = new Command('care-team').description('Who treats whom: what permissions for own patients look at.')
  for (const make of [addCommand, removeCommand]) careTeam.addCommand(make(act))
  return careTeam
}
