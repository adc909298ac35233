import { readFile } from 'node:fs/promises'
import type { Mode } from '../../kernel/config-variables.ts'
import { isLoopback } from '../../kernel/host-port.ts'
import { StartError } from '../../kernel/start-error.ts'
import { type PolicyWitness, parseWitnessPolicy, type WitnessPolicy } from './witness-policy.ts'

const urlProblem = (text: string, mode: Mode): string | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) return 'its URL must begin with http:// or https://'
  if (url.username !== '' || url.password !== '') return 'its URL must not hold a user or password'
  if (url.search !== '' || url.hash !== '') return 'its URL must end with its path'
  if (mode === 'production' && url.protocol === 'http:' && !isLoopback(url.hostname)) return 'its URL must use https in production'
  return undefined
}

const problemOf = ({ url, key }: PolicyWitness, others: readonly PolicyWitness[], mode: Mode): string | undefined => {
  // Cosignatures are kept by the names of their keys.
  if (others.some((other) => other.key.name === key.name)) return 'another witness has a key of the same name'
  return url === undefined ? undefined : urlProblem(url, mode)
}

/** The policy in a file, with URLs that a service may call. Throws StartError, which says what is wrong with which witness or line. */
export const readWitnessPolicy = async (file: string, mode: Mode): Promise<WitnessPolicy> => {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new StartError(`The witness policy ${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? 'unknown reason'}.`, {
      cause,
    })
  }
  const policy = parseWitnessPolicy(text)
  if ('problem' in policy) {
    throw new StartError(
      `The witness policy ${file} cannot be used: ${policy.problem}${policy.line === 0 ? '' : ` (line ${policy.line})`}.`,
    )
  }
  for (const [index, witness] of policy.witnesses.entries()) {
    const problem = problemOf(witness, policy.witnesses.slice(0, index), mode)
    if (problem !== undefined) throw new StartError(`The witness policy ${file} cannot be used: witness ${witness.name}: ${problem}.`)
  }
  if (!policy.witnesses.some(({ url }) => url !== undefined))
    throw new StartError(`The witness policy ${file} cannot be used: no witness in it has a URL.`)
  return policy
}
