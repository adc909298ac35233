/** Commands that the documentation tells a reader to type, as far as it marks them as tested. */
import { readFileSync } from 'node:fs'

export interface DocumentedCommand {
  readonly command: string
  /** What the page says it ends with; 0 unless its block says otherwise. */
  readonly exits: number
}

const block = /^```sh tested(?: exits=(\d+))?\n(.*?)^```$/gms

/** Every line of every block that begins with "```sh tested" or "```sh tested exits=<code>", in order. */
export const documentedCommands = (file: string): readonly DocumentedCommand[] =>
  [...readFileSync(file, 'utf8').matchAll(block)].flatMap(([, exits = '0', lines = '']) =>
    lines
      .trim()
      .split('\n')
      .map((command) => ({ command, exits: Number(exits) })),
  )
