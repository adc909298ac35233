import { developmentSetting } from '../settings.ts'
import { demoClinic } from './demo-clinic.ts'

/** Where the service was found, as far as that is not the default: the commands repeat it, so that they work when pasted. */
export interface Place {
  readonly address?: string
  readonly stateDirectory?: string
}

export const placeOf = (address: string, stateDirectory: string): Place => ({
  ...(address === developmentSetting({}, 'CHARTWARDEN_GRPC_ADDR') ? {} : { address }),
  ...(stateDirectory === developmentSetting({}, 'CHARTWARDEN_STATE_DIR') ? {} : { stateDirectory }),
})

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
