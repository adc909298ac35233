import { ChartwardenError } from '../services/kernel/errors.ts'
import type { Scope } from '../services/kernel/scopes.ts'
import { StartError } from '../services/kernel/start-error.ts'
import {
  type DevelopmentKey,
  developmentKeyFile,
  readDevelopmentKey,
  signDevelopmentToken,
} from '../services/kernel/tokens/development-key.ts'
import type { Io } from './io.ts'
import { developmentSetting } from './settings.ts'

export interface DevelopmentTokenNeeds {
  readonly clinics: readonly string[]
  readonly scopes: readonly Scope[]
  /** `sub`; defaults to `chartwarden-cli`. */
  readonly subject?: string
  readonly seconds: number
}

const readKey = async (keyFile: string): Promise<DevelopmentKey> => {
  try {
    return await readDevelopmentKey(keyFile)
  } catch (thrown) {
    if (!(thrown instanceof StartError)) throw thrown
    const message = `No token was given (--token, CHARTWARDEN_TOKEN), and none can be made. ${thrown.message}`
    throw new ChartwardenError('TOKEN_MISSING', { message, cause: thrown })
  }
}

/** A token signed with the development key of the state directory. Throws TOKEN_MISSING when there is no key to sign with. */
export const developmentToken = async (io: Io, needs: DevelopmentTokenNeeds): Promise<string> => {
  const setting = (name: string): string => developmentSetting(io.environment, name)
  return signDevelopmentToken({
    key: await readKey(developmentKeyFile(setting('CHARTWARDEN_STATE_DIR'))),
    issuer: setting('CHARTWARDEN_JWT_ISSUER'),
    audience: setting('CHARTWARDEN_JWT_AUDIENCE'),
    clinics: needs.clinics,
    scopes: needs.scopes,
    subject: needs.subject ?? 'chartwarden-cli',
    ttlSeconds: needs.seconds,
    clock: io.clock,
    randomness: io.randomness,
  })
}
