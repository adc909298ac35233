/** Commands that the documentation tells a reader to type, as far as it marks them as tested. */
import { readFileSync } from 'node:fs'

export interface DocumentedCommand {
  readonly command: string
  /** What the page says it ends with; 0 unless its block says otherwise. */
  readonly exits: number
  /** What the command prints, such as the reason of an answer. */
  readonly says?: string
}

const block = /^```sh tested(?: exits=(\d+))?(?: says=(\S+))?\n(.*?)^```$/gms

/** Every line of every block that begins with "```sh tested", with " exits=<code>" and " says=<word>" behind it or not, in order. */
export const documentedCommands = (file: string): readonly DocumentedCommand[] =>
  [...readFileSync(file, 'utf8').matchAll(block)].flatMap(([, exits = '0', says, lines = '']) =>
    lines
      .trim()
      .split('\n')
      .map((command) => ({ command, exits: Number(exits), ...(says === undefined ? {} : { says }) })),
  )

const fileBlock = /^```\w+ file=(\S+)\n(.*?)^```$/gms

/** The files that a page tells a reader to write: every block that begins with "```<language> file=<name>". */
export const documentedFiles = (file: string): ReadonlyMap<string, string> =>
  new Map([...readFileSync(file, 'utf8').matchAll(fileBlock)].map(([, name = '', text = '']) => [name, text]))
