import { Command } from 'commander'
import type { Act } from '../program.ts'
import { putResourceCommand, removeResourceCommand, showResourceCommand } from './directory/resource.ts'
import { putSubjectCommand, removeSubjectCommand, showSubjectCommand } from './directory/subject.ts'

export const directoryCommand = (act: Act): Command => {
  const subject = new Command('subject').description('What is said of people, services and organisations, for conditions.')
  for (const make of [putSubjectCommand, showSubjectCommand, removeSubjectCommand]) subject.addCommand(make(act))
  const resource = new Command('resource').description(
    'What is said of records, for conditions, and their labels. A resource of type "patient" is that patient: its labels hold for every record of the patient.',
  )
  for (const make of [putResourceCommand, showResourceCommand, removeResourceCommand]) resource.addCommand(make(act))
  return new Command('directory')
    .description('What the clinic says of subjects and records. It stays readable for ever: codes and numbers, no names.')
    .addCommand(subject)
    .addCommand(resource)
}
