/** The page on witnesses does what it says: a clinic here, its witness in a process of its own, and a look at both. */
import { copyFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { type Chartwarden, commandLine, type Ran } from './support/command-line.ts'
import { followPage } from './support/follow-page.ts'
import { createTestDatabase } from './support/postgres.ts'
import { scratchDirectory, startTestService, type TestService } from './support/service.ts'
import { waitFor } from './support/wait-for.ts'
import { startWitnessProcess, type WitnessProcess } from './support/witness-process.ts'

t.setTimeout(240_000)

const page = path.resolve(import.meta.dirname, '../docs/how-to/witness.md')

t.test('somebody follows the guide, at the clinic and at the accountant', async (t) => {
  const database = await createTestDatabase(t)
  const stateDir = scratchDirectory(t, 'clinic')
  const directory = path.join(scratchDirectory(t, 'accountant'), 'witness')
  const policy = path.join(stateDir, 'witnesses.policy')
  const start = (environment: Record<string, string>): Promise<TestService> =>
    startTestService(t, { database, stateDir, environment: { CHARTWARDEN_WITNESS_INTERVAL_MS: '1000', ...environment } })
  let service = await start({})
  let witness: WitnessProcess | undefined

  /** What the page says that the operator does: the lines into a file, its name into the environment, and a restart. */
  const askTheWitness = async (lines: readonly string[]): Promise<void> => {
    writeFileSync(policy, `${lines.join('\n')}\n`)
    await service.stop()
    service = await start({ CHARTWARDEN_WITNESS_POLICY: policy })
  }
  const keys = path.join(stateDir, 'northside.keys')
  const places: Readonly<Record<string, string>> = { witness: directory, '@northside.keys': `@${keys}` }
  const here = ([first = '', ...rest]: readonly string[]): readonly string[] => [first, ...rest.map((word) => places[word] ?? word)]
  const run = (argv: readonly string[]): Promise<Ran> => {
    const environment = { CHARTWARDEN_STATE_DIR: stateDir, CHARTWARDEN_GRPC_ADDR: service.address }
    return commandLine({ ...environment, CHARTWARDEN_HTTP_ADDR: `127.0.0.1:${service.httpPort}` })(...argv)
  }
  const once = async (argv: readonly string[]): Promise<Ran> => {
    let ran = await run(argv)
    // The first checkpoint, and the first cosignature, come within seconds.
    await waitFor(argv.join(' '), async () => {
      if (ran.code !== 0 || /Nothing was cosigned/.test(ran.out)) ran = await run(argv)
      return ran.code === 0 && !/Nothing was cosigned/.test(ran.out)
    })
    return ran
  }
  const chartwarden: Chartwarden = async (...words) => {
    const argv = here(words)
    if (argv[0] !== 'witness' || argv[1] !== 'serve') return argv[0] === 'clinic' ? run(argv) : once(argv)
    copyFileSync(argv[argv.indexOf('--log') + 1] as string, keys)
    witness = await startWitnessProcess(t, ...argv.slice(2))
    await askTheWitness(witness.policy)
    return { code: 0, out: witness.policy.join('\n'), err: '' }
  }
  const followed = await followPage(t, page, { chartwarden })
  const outOf = (...words: readonly string[]): string =>
    followed.find(({ command }) => words.every((word) => command.includes(word)))?.out ?? ''
  t.match(outOf('ledger keys'), /^chartwarden\.localhost\/v1\/clinics\/northside\/log\+[0-9a-f]{8}\+\S+\n$/)
  t.match(
    outOf('witness status', '--checkpoint'),
    /^chartwarden\.localhost\/v1\/clinics\/northside\/log\n\d+\n[^\n]+\n\n— chartwarden.*\n— witness\.accountant\.example /,
  )
  t.match(outOf('ledger receipt'), /^c2sp\.org\/tlog-proof@v1\nindex 0\n(?:.*\n)+\n(?:.*\n)+— witness\.accountant\.example /)
  t.match(outOf('verify'), /^northside: verified\./)
  t.notMatch(outOf('verify'), /learnt from what was checked/)
  const readiness = (await (await fetch(`http://127.0.0.1:${service.httpPort}/readyz`)).json()) as { readonly checks: object }
  t.match(readiness.checks, { witnesses: '1 of 1 answer', checkpointsSeenOutside: 'witnessed' })
  t.same(witness?.told, [], 'the witness is silent while all is well')
})
