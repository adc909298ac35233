import { Command } from 'commander'
import type { Act } from '../program.ts'
import { drillCommand } from './backup/drill.ts'
import { listCommand } from './backup/list.ts'
import { makeCommand } from './backup/make.ts'

export const backupCommand = (act: Act): Command =>
  new Command('backup')
    .description('Back up every ledger and the keys to read it with, encrypted, to a directory or a bucket.')
    .addCommand(makeCommand(act), { isDefault: true })
    .addCommand(listCommand(act))
    .addCommand(drillCommand(act))
