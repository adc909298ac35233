/** Somebody follows a page of the documentation, from an empty service on. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'
import type { Chartwarden, Ran } from './command-line.ts'
import { documentedCommands, documentedFiles } from './documented-commands.ts'
import { waitFor } from './wait-for.ts'

export interface Followed extends Ran {
  readonly command: string
}

export interface FollowOptions {
  readonly chartwarden: Chartwarden
  /** What an output gives the variables that later commands name, such as `$EMERGENCY`. */
  readonly learn?: (out: string) => Readonly<Record<string, string>>
}

/** What a shell makes of a line without expansions: words, and single quotes around some. */
const wordsOf = (line: string): string[] => [...line.matchAll(/(?:[^\s']|'[^']*')+/g)].map(([word]) => word.replaceAll("'", ''))

/**
 * Runs every tested command of a page as it is printed, and tells the test whether it ended and said what the page says. Files that the page
 * shows, or that a command's output goes to, are kept in a directory of the test's.
 */
export const followPage = async (test: Test, page: string, { chartwarden, learn }: FollowOptions): Promise<readonly Followed[]> => {
  const directory = test.testdir()
  const files = new Set<string>()
  const keep = (name: string, text: string): void => {
    writeFileSync(path.join(directory, name), text)
    files.add(name)
  }
  for (const [name, text] of documentedFiles(page)) keep(name, text)
  const variables = new Map<string, string>()
  const followed: Followed[] = []
  for (const { command, exits, says } of documentedCommands(page)) {
    const words = wordsOf(command.replaceAll(/\$([A-Z]+)/g, (whole, name) => variables.get(name) ?? whole))
    const redirected = words.indexOf('>')
    const [npx, program, ...argv] = redirected < 0 ? words : words.slice(0, redirected)
    test.same([npx, program], ['npx', 'chartwarden'], command)
    const run = () => chartwarden(...argv.map((word) => (files.has(word) ? path.join(directory, word) : word)))
    let ran = await run()
    // A report tells to which revision it is complete, and a reader who sees that it is behind asks again.
    if (argv[0] === 'report' && says !== undefined)
      await waitFor(command, async () => {
        if (!ran.out.includes(says)) ran = await run()
        return ran.out.includes(says)
      })
    test.equal(ran.code, exits, `${command}\n${ran.out}${ran.err}`)
    if (says !== undefined) test.match(ran.out, says, command)
    if (redirected >= 0) keep(words[redirected + 1] as string, ran.out)
    for (const [name, value] of Object.entries(learn?.(ran.out) ?? {})) if (!variables.has(name)) variables.set(name, value)
    followed.push({ command, ...ran })
  }
  return followed
}
