import { Command } from 'commander'
import type { Act } from '../program.ts'
import { exportCommand } from './role/export.ts'
import { listCommand } from './role/list.ts'
import { putCommand } from './role/put.ts'
import { retireCommand } from './role/retire.ts'
import { showCommand } from './role/show.ts'

export const roleCommand = (act: Act): Command => {
  const role = new Command('role').description('Roles: what they permit, as data.')
  for (const make of [listCommand, showCommand, exportCommand, putCommand, retireCommand]) role.addCommand(make(act))
  return role
}
