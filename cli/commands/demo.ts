import { Command } from 'commander'
import { demoClinic } from '../demo/demo-clinic.ts'
import { demoCallers, demoScopes, runDemo } from '../demo/run-demo.ts'
import { placeOf, suggestionsText } from '../demo/suggestions.ts'
import { demoJson, demoText, tally } from '../demo/summary.ts'
import type { Outcome } from '../exit-codes.ts'
import { createProgress, type Progress } from '../output/progress.ts'
import type { Act } from '../program.ts'
import { optional } from '../request.ts'
import type { Session } from '../session.ts'

/** Runs the demo against the service that the session reaches, or the one of this process, and prints what happened. */
export const demonstrate = async (session: Session, ownService?: string): Promise<Outcome> => {
  const clinics = [demoClinic.clinic]
  const own = optional('ownService', ownService)
  const software = await session.connect({ clinics, scopes: demoScopes.software, subject: demoCallers.software, ...own })
  const forPersons = await session.connect({ clinics, scopes: demoScopes.forPersons, subject: demoCallers.forPersons, ...own })
  let progress: Progress | undefined
  try {
    const result = await runDemo({
      software,
      forPersons,
      onTotal: (total) => {
        progress = createProgress({ io: session.io, title: 'Demo', total })
      },
      onStep: () => progress?.advance(1),
    })
    progress?.stop()
    await session.print(
      session.json
        ? `${JSON.stringify(demoJson(result))}\n`
        : demoText(result) + suggestionsText(placeOf(ownService ?? session.address, session.stateDirectory)),
    )
    return tally(result.asked).surprises.length === 0 ? 'ok' : 'unexpected'
  } finally {
    progress?.stop()
  }
}

export const demoCommand = (act: Act): Command =>
  new Command('demo')
    .description(
      'Register clinic "demo" with the built-in roles and live through a day of it. Safe to repeat. Needs a development service.',
    )
    .action(act((session) => demonstrate(session)))
