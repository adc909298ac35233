/** Attacks on an installation, each checked with `chartwarden verify` as a person runs it: with a later checkpoint, with a receipt, with nothing. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { isFaultKind } from '../../services/audit/log/verify/fault.ts'
import { type Attacker, openAttacker } from './attacker.ts'
import { type Chartwarden, commandLine, type Ran } from './command-line.ts'
import { type InstallationCopy, type SealedInstallation, sealedInstallation } from './sealed-installation.ts'
import { scratchDirectory } from './service.ts'

/** `kind first..last` of each fault. */
export type Faults = readonly string[]

export interface TamperCase {
  readonly name: string
  readonly attack: (attacker: Attacker) => Promise<void>
  /** Which copy of the database is in use. Defaults to the one of now. */
  readonly of?: 'now' | 'older'
  /** Found with a checkpoint of now that was kept outside, with a receipt alone, and with nothing. */
  readonly later: Faults
  readonly receipt: Faults
  readonly nothing: Faults
  /** Which receipt. Defaults to that of the entry in the middle. */
  readonly kept?: 'middle' | 'last'
  /** Codes of what must be said not to be excluded with nothing from outside, beside the ones that are always said. */
  readonly notExcluded: readonly string[]
}

interface Report {
  readonly clinic: string
  readonly outcome: 'verified' | 'damaged' | 'unchecked'
  readonly faults: readonly {
    readonly kind: string
    readonly clinic: string
    readonly revision: string
    readonly lastRevision: string
    readonly detail: string
  }[]
  readonly notExcluded: readonly { readonly code: string; readonly text: string }[]
  readonly reason?: string
}

const exitCodes = { verified: 0, damaged: 10, unchecked: 11 } as const

/** What always stays open without anything from outside. */
const alwaysOpen = ['true_when_recorded', 'rewritten_with_keys', 'cut_off_unanchored', 'not_witnessed', 'recorded_at']

export const faultTexts = (faults: Report['faults']): Faults =>
  faults.map(({ kind, revision, lastRevision }) => `${kind} ${revision}..${lastRevision}`)

const reportOf = ({ out, err }: Ran): Report => {
  if (!out.startsWith('{')) throw new Error(`no report: ${out}${err}`)
  return (JSON.parse(out) as { readonly ledgers: readonly [Report] }).ledgers[0]
}

/** The arguments that name what was kept outside. */
export const keptFiles = (test: Test, { checkpoints, receipts }: SealedInstallation) => {
  const directory = scratchDirectory(test, 'kept')
  const keep = (name: string, text: string): string => {
    const file = path.join(directory, name)
    writeFileSync(file, text)
    return file
  }
  return {
    later: ['--trusted-checkpoint', keep('checkpoint.txt', checkpoints.north)],
    middle: ['--receipt', keep('middle.tlog-proof', receipts.middle)],
    last: ['--receipt', keep('last.tlog-proof', receipts.last)],
  }
}

/** Attacks a copy as its superuser; answers the copy and a command line over it. */
export const attacked = async (
  test: Test,
  installation: SealedInstallation,
  attack: TamperCase['attack'],
  of?: TamperCase['of'],
  outside?: TamperCase['of'],
): Promise<{ readonly copy: InstallationCopy; readonly chartwarden: Chartwarden }> => {
  const copy = await installation.copy(test, of, outside)
  const attacker = await openAttacker(copy.database.adminUrl)
  try {
    await attack(attacker)
  } finally {
    await attacker.close()
  }
  return { copy, chartwarden: commandLine(copy.environment) }
}

const verify = ['verify', '--json', '--database', '--clinic', 'north']

/** Runs the cases that the installation gives rise to, after the twin: nobody has attacked, and the same commands find nothing. */
export const runTamperCases = async (casesOf: (installation: SealedInstallation) => readonly TamperCase[]): Promise<void> => {
  const installation = await sealedInstallation(t)
  const kept = keptFiles(t, installation)

  t.test('twin: where nobody has tampered, the same commands find nothing', async (t) => {
    const { chartwarden } = await attacked(t, installation, async () => {})
    for (const anchor of [kept.later, kept.middle, kept.last, []]) {
      const ran = await chartwarden(...verify, ...anchor)
      t.match(
        { code: ran.code, ...reportOf(ran) },
        { code: 0, outcome: 'verified', faults: { length: 0 } },
        anchor.join(' ') || 'with nothing',
      )
    }
  })

  for (const { name, attack, of, later, receipt, nothing, kept: which = 'middle', notExcluded } of casesOf(installation)) {
    t.test(name, async (t) => {
      const { chartwarden } = await attacked(t, installation, attack, of)
      const check = async (what: string, expected: Faults, anchor: readonly string[]): Promise<Report> => {
        const ran = await chartwarden(...verify, ...anchor)
        const report = reportOf(ran)
        t.strictSame(faultTexts(report.faults), expected, what)
        t.equal(ran.code, exitCodes[report.outcome], `${what}: exit code`)
        t.equal(report.outcome === 'damaged', expected.length > 0, `${what}: outcome`)
        t.ok(report.faults.every((fault) => fault.clinic === 'north' && isFaultKind(fault.kind) && fault.detail !== ''))
        return report
      }
      await check('with a later checkpoint', later, kept.later)
      await check('with a receipt', receipt, kept[which])
      const report = await check('with nothing from outside', nothing, [])
      const codes = report.notExcluded.map(({ code }) => code)
      t.strictSame([...codes].sort(), [...alwaysOpen, ...notExcluded].sort(), 'and what that does not exclude is said')
    })
  }
}
