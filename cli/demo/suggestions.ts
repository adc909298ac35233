import { demoClinic } from './demo-clinic.ts'

/** Where the service was found; repeated in the commands when it is not the default, so that they work when pasted. */
export interface Place {
  readonly address?: string
  readonly stateDirectory?: string
}

const quote = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

/** Three commands to go on with, for a POSIX shell. */
export const suggestions = ({ address, stateDirectory }: Place): readonly string[] => {
  const before = stateDirectory === undefined ? '' : `CHARTWARDEN_STATE_DIR=${quote(stateDirectory)} `
  const after = `--clinic ${demoClinic.clinic}${address === undefined ? '' : ` --address ${quote(address)}`}`
  return [
    `report access ${after} --patient p-1003`,
    `check ${after} --subject staff:d-1 --action read --resource imaging:img-1003-1 --patient p-1003 --purpose TREAT`,
    `report offboardings ${after}`,
  ].map((command) => `${before}npx chartwarden ${command}`)
}

export const suggestionsText = (place: Place): string =>
  `\nGo on with:\n${suggestions(place)
    .map((command) => `  ${command}\n`)
    .join('')}`
