import type { SigningSettings } from '../../../services/kernel/config.ts'
import type { Io } from '../../io.ts'

/** The signer store that the environment names, as the service would. Loaded only when it is run. */
export const signerDirectory = async ({ environment, randomness }: Io) => {
  const { readSigningConfig } = await import('../../../services/kernel/config.ts')
  const { createSignerFiles } = await import('../../../services/audit/log/signer/signer-files.ts')
  const operate = await import('../../../services/audit/log/signer/operate.ts')
  const { signerDir, logOrigin }: SigningSettings = readSigningConfig(environment)
  return { files: createSignerFiles(signerDir, randomness), base: logOrigin, operate }
}
