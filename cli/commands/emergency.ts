import { Command } from 'commander'
import type { Act } from '../program.ts'
import { closeCommand } from './emergency/close.ts'
import { listCommand } from './emergency/list.ts'
import { openCommand } from './emergency/open.ts'
import { reviewCommand } from './emergency/review.ts'

export const emergencyCommand = (act: Act): Command => {
  const emergency = new Command('emergency').description('Emergency access (break the glass) and the reviews it owes.')
  for (const make of [openCommand, closeCommand, reviewCommand, listCommand]) emergency.addCommand(make(act))
  return emergency
}
