/** Development mode signs its own tokens with a key in the state directory. Production never reads it. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey } from 'node:crypto'
import { link, mkdir, readFile, stat, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createSigner } from 'fast-jwt'
import type { Clock } from '../clock.ts'
import type { Randomness } from '../ids.ts'
import type { Logger } from '../logging.ts'
import type { Scope } from '../scopes.ts'
import { StartError } from '../start-error.ts'

export interface DevelopmentKey {
  readonly keyFile: string
  readonly kid: string
  /** PKCS #8. */
  readonly privateKey: string
  /** The public part, as `createTokenVerifier` takes it. */
  readonly jwks: { readonly keys: readonly JsonWebKey[] }
}

/** Where the key of a state directory lies. */
export const developmentKeyFile = (stateDir: string): string => join(stateDir, 'development-token-key.pem')

/** RFC 7638 thumbprint of an Ed25519 key (members of RFC 8037, appendix A.3). */
const thumbprint = (jwk: JsonWebKey): string =>
  createHash('sha256')
    .update(JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x }))
    .digest('base64url')

const refuseIfOthersCanRead = async (keyFile: string): Promise<void> => {
  if (process.platform === 'win32') return
  const { mode } = await stat(keyFile)
  if ((mode & 0o077) !== 0)
    throw new StartError(`Other users can read the development key ${keyFile}; run chmod 600 on it, or delete it to have a new one made.`)
}

/** Reads a key made by `openDevelopmentKey`. Throws StartError when there is none, others can read it, or it is damaged. */
export const readDevelopmentKey = async (keyFile: string): Promise<DevelopmentKey> => {
  let privateKey: string
  try {
    privateKey = await readFile(keyFile, 'utf8')
  } catch (cause) {
    throw new StartError(`There is no development key at ${keyFile}; start the service in development mode first.`, { cause })
  }
  await refuseIfOthersCanRead(keyFile)
  try {
    const key = createPrivateKey(privateKey)
    if (key.asymmetricKeyType !== 'ed25519') throw new StartError('another kind of key')
    const jwk = createPublicKey(key).export({ format: 'jwk' })
    const kid = thumbprint(jwk)
    return { keyFile, kid, privateKey, jwks: { keys: [{ ...jwk, kid, alg: 'EdDSA', use: 'sig' }] } }
  } catch (cause) {
    throw new StartError(`The development key ${keyFile} is damaged; delete it to have a new one made.`, { cause })
  }
}

/** Makes the file at once with its content, so that of several starting processes all use the one key that came first. */
const createOnce = async (keyFile: string, content: string, unique: string): Promise<boolean> => {
  await mkdir(dirname(keyFile), { recursive: true, mode: 0o700 })
  const draft = `${keyFile}.${unique}`
  await writeFile(draft, content, { mode: 0o600, flag: 'wx', flush: true })
  try {
    await link(draft, keyFile)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await unlink(draft)
  }
}

export interface DevelopmentKeyOptions {
  readonly stateDir: string
  readonly logger: Logger
  readonly randomness: Randomness
}

/** The key of the state directory, made if there is none. Warns in the log each time: whoever can read the file can be any caller. */
export const openDevelopmentKey = async ({ stateDir, logger, randomness }: DevelopmentKeyOptions): Promise<DevelopmentKey> => {
  const keyFile = developmentKeyFile(stateDir)
  const exists = await stat(keyFile).then(
    () => true,
    () => false,
  )
  if (!exists) {
    const { privateKey } = generateKeyPairSync('ed25519', {
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    })
    await createOnce(keyFile, privateKey, randomness.uuid())
  }
  const key = await readDevelopmentKey(keyFile)
  logger.warn(
    { event: 'tokens.development_key', keyFile, kid: key.kid, made: !exists },
    'DEVELOPMENT MODE: tokens are signed with a key on this disk; whoever can read it can be any caller. Never use this for real records.',
  )
  return key
}

export interface DevelopmentTokenOptions {
  readonly key: DevelopmentKey
  readonly issuer: string
  readonly audience: string
  readonly clinics: readonly string[]
  readonly scopes: readonly Scope[]
  readonly subject: string
  readonly ttlSeconds: number
  readonly clock: Clock
  readonly randomness: Randomness
}

/** A bearer token signed with the development key. */
export const signDevelopmentToken = (options: DevelopmentTokenOptions): string => {
  const { key, issuer, audience, clinics, scopes, subject, ttlSeconds, clock, randomness } = options
  const now = Math.floor(clock.wall() / 1000)
  const sign = createSigner({ key: key.privateKey, algorithm: 'EdDSA', kid: key.kid, noTimestamp: true })
  return sign({
    iss: issuer,
    aud: audience,
    sub: subject,
    ...(clinics.length === 1 ? { clinic: clinics[0] } : { clinics }),
    scope: scopes.join(' '),
    iat: now,
    exp: now + ttlSeconds,
    jti: randomness.uuid(),
  })
}
