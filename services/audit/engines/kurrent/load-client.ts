/** The client of KurrentDB is an optional dependency: 40 MB of native code, of which part has a licence of its own (docs/how-to/use-kurrentdb.md). */
import { createRequire } from 'node:module'
import { errorCode } from '../../../kernel/postgres/error-code.ts'
import { StartError } from '../../../kernel/start-error.ts'

export type KurrentClientModule = typeof import('@kurrent/kurrentdb-client')

const name = '@kurrent/kurrentdb-client'
const least = [1, 3, 1] as const

/**
 * Before 1.3.1 one connection's fault failed the appends of all others in the process, and an answer that came late ended it.
 */
export const isUsableVersion = (version: string): boolean => {
  const parts = /^(\d+)\.(\d+)\.(\d+)$/.exec(version)?.slice(1).map(Number)
  if (parts === undefined) return false
  const differs = least.findIndex((part, at) => part !== parts[at])
  return differs < 0 || (parts[differs] as number) > (least[differs] as number)
}

/** Whether this value of DEBUG makes the client print what it is given, the connection string with its password among it. */
export const tellsSecrets = (debug: string | undefined): boolean => debug !== undefined && /\*|kdb/.test(debug)

/** Throws StartError where it is missing, too old, not for this platform, or would print secrets. */
export const loadClient = async (): Promise<KurrentClientModule> => {
  if (tellsSecrets(process.env['DEBUG'])) {
    throw new StartError('DEBUG is set so that the client of KurrentDB would print its password; unset it.')
  }
  const wanted = `npm install ${name}@^${least.join('.')}`
  let version: string
  try {
    version = (createRequire(import.meta.url)(`${name}/package.json`) as { readonly version: string }).version
  } catch (cause) {
    throw new StartError(`The ledger in KurrentDB needs a package that is not installed: ${wanted}`, { cause })
  }
  if (!isUsableVersion(version)) throw new StartError(`${name} ${version} has faults that lose answers: ${wanted}`)
  try {
    return await import('@kurrent/kurrentdb-client')
  } catch (cause) {
    throw new StartError(`${name} cannot be loaded on this platform (${errorCode(cause) ?? 'no reason given'}).`, { cause })
  }
}
