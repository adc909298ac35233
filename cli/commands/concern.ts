import { Command } from 'commander'
import type { Act } from '../program.ts'
import { answerCommand } from './concern/answer.ts'
import { recordCommand } from './concern/record.ts'

export const concernCommand = (act: Act): Command => {
  const concern = new Command('concern').description(
    'What patients dispute, ask to correct or complain of, and the answers. The entry concerned stays as it is.',
  )
  for (const make of [recordCommand, answerCommand]) concern.addCommand(make(act))
  return concern
}
