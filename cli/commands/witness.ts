import { Command } from 'commander'
import type { Act } from '../program.ts'
import { serveWitnessCommand } from './witness/serve.ts'
import { witnessStatusCommand } from './witness/status.ts'

export const witnessCommand = (act: Act): Command =>
  new Command('witness')
    .description(
      "Run a witness: a second pair of eyes outside the clinic that remembers the heads of clinics' logs and cosigns each that continues them.",
    )
    .addCommand(serveWitnessCommand(act))
    .addCommand(witnessStatusCommand(act))
