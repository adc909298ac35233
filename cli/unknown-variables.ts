import { likelyMeant } from '../services/access/policy/unknown-names.ts'
import { configVariables, type Environment } from '../services/kernel/config.ts'

const prefix = 'CHARTWARDEN_'

/** Those that commands read besides the service. */
const ownNames = [
  'CHARTWARDEN_GRPC_ADDR',
  'CHARTWARDEN_TOKEN',
  'CHARTWARDEN_STATE_DIR',
  'CHARTWARDEN_CLIENT_CERT_FILE',
  'CHARTWARDEN_CLIENT_KEY_FILE',
]

/** A line for each variable with our prefix that this version does not read: a misspelt one would be a setting that silently does not hold. */
export const unknownVariables = (environment: Environment): readonly string[] => {
  const known = new Set(configVariables.map(({ name }) => name))
  return Object.keys(environment)
    .filter((name) => name.startsWith(prefix) && !known.has(name))
    .map((name) => {
      const meant = likelyMeant(name, known)
      const instead = meant === undefined ? `commands read ${ownNames.join(', ')}.` : `did you mean ${meant}?`
      return `${name} is not a variable of this version and is ignored; ${instead}`
    })
}
