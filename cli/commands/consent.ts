import { Command } from 'commander'
import type { Act } from '../program.ts'
import { listConsentsCommand } from './consent/list.ts'
import { recordConsentCommand } from './consent/record.ts'
import { withdrawConsentCommand } from './consent/withdraw.ts'

export const consentCommand = (act: Act): Command => {
  const consent = new Command('consent').description('What patients decided about their records.')
  for (const make of [listConsentsCommand, recordConsentCommand, withdrawConsentCommand]) consent.addCommand(make(act))
  return consent
}
