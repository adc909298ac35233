import { Command } from 'commander'
import type { Act } from '../program.ts'
import { enrolCommand } from './staff/enrol.ts'
import { grantCommand } from './staff/grant.ts'
import { listCommand } from './staff/list.ts'
import { reinstateCommand } from './staff/reinstate.ts'
import { revokeCommand } from './staff/revoke.ts'
import { showCommand } from './staff/show.ts'
import { updateCommand } from './staff/update.ts'

export const staffCommand = (act: Act): Command => {
  const staff = new Command('staff').description('People and the roles they hold.')
  for (const make of [listCommand, showCommand, enrolCommand, updateCommand, grantCommand, revokeCommand, reinstateCommand])
    staff.addCommand(make(act))
  return staff
}
