import { Command } from 'commander'
import type { Act } from '../program.ts'
import { adoptCommand } from './log/adopt.ts'
import { releaseCommand } from './log/release.ts'
import { retireCommand } from './log/retire.ts'
import { rotateKeyCommand } from './log/rotate-key.ts'
import { logStatusCommand } from './log/status.ts'

export const logCommand = (act: Act): Command => {
  const log = new Command('log').description('The transparency logs of clinics: what they are signed with, and what was signed last.')
  for (const make of [rotateKeyCommand, logStatusCommand, retireCommand, adoptCommand, releaseCommand]) log.addCommand(make(act))
  return log
}
