import { Command } from 'commander'
import type { Act } from '../program.ts'
import { eventsCommand } from './import/events.ts'
import { ledgerCommand } from './import/ledger.ts'
import { rolesCommand } from './import/roles.ts'

export const importCommand = (act: Act): Command => {
  const command = new Command('import').description('Take over what another system holds.')
  for (const make of [rolesCommand, eventsCommand, ledgerCommand]) command.addCommand(make(act))
  return command
}
