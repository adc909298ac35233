import { Command } from 'commander'
import type { Act } from '../program.ts'
import { setCommand } from './settings/set.ts'
import { showCommand } from './settings/show.ts'

export const settingsCommand = (act: Act): Command => {
  const settings = new Command('settings').description('What a clinic settles beside its roles.')
  for (const make of [showCommand, setCommand]) settings.addCommand(make(act))
  return settings
}
