/** Which logs are trusted, and which witnesses must have cosigned a checkpoint (C2SP tlog-policy, draft). */
import { parseVerifierKey, type VerifierKey } from './note.ts'
import { signatureType } from './signature-type.ts'

export interface PolicyLog {
  readonly key: VerifierKey
  readonly url?: string
}

export interface PolicyWitness {
  /** In the policy only; the key has a name of its own. */
  readonly name: string
  readonly key: VerifierKey
  readonly url?: string
}

export interface PolicyGroup {
  readonly name: string
  /** Members that must have witnessed. */
  readonly threshold: number
  /** Names of witnesses and of groups ahead of this one. */
  readonly members: readonly string[]
}

export interface WitnessPolicy {
  readonly logs: readonly PolicyLog[]
  readonly witnesses: readonly PolicyWitness[]
  readonly groups: readonly PolicyGroup[]
  /** Name of a witness or group, or `none`. */
  readonly quorum: string
}

/** Why a policy cannot be used. `line` counts from 1; 0: of the policy as a whole. */
export interface PolicyProblem {
  readonly problem: string
  readonly line: number
}

const none = 'none'

const logTypes: readonly number[] = [signatureType.ed25519, signatureType.mlDsaCosignature]
const witnessTypes: readonly number[] = [signatureType.cosignature, signatureType.mlDsaCosignature]

/** What was read so far; each of its functions takes the words behind the first and returns what is wrong with them. */
const createDraft = () => {
  const logs: PolicyLog[] = []
  const witnesses: PolicyWitness[] = []
  const groups: PolicyGroup[] = []
  const names = new Set<string>()
  const members = new Set<string>()
  let quorum: string | undefined

  const readKey = (text: string | undefined, types: readonly number[], others: readonly { readonly key: VerifierKey }[]) => {
    const key = parseVerifierKey(text ?? '')
    if (key === undefined) return 'the verifier key is not one'
    if (!types.includes(key.type)) return 'a key of this type cannot be used here'
    return others.some((other) => other.key.publicKey.equals(key.publicKey)) ? 'this key is listed already' : key
  }
  const taken = (name: string): string | undefined =>
    name === none ? '"none" cannot be a name' : names.has(name) ? 'this name is taken' : undefined

  const log = ([vkey, url, ...rest]: readonly string[]): string | undefined => {
    if (rest.length > 0) return 'expected: log <vkey> [<url>]'
    const key = readKey(vkey, logTypes, logs)
    if (typeof key === 'string') return key
    logs.push({ key, ...(url === undefined ? {} : { url }) })
    return undefined
  }
  const witness = ([name, vkey, url, ...rest]: readonly string[]): string | undefined => {
    if (name === undefined || rest.length > 0) return 'expected: witness <name> <vkey> [<url>]'
    const key = readKey(vkey, witnessTypes, witnesses)
    const problem = taken(name) ?? (typeof key === 'string' ? key : undefined)
    if (problem !== undefined || typeof key === 'string') return problem
    names.add(name)
    witnesses.push({ name, key, ...(url === undefined ? {} : { url }) })
    return undefined
  }
  const group = ([name, count, ...listed]: readonly string[]): string | undefined => {
    if (name === undefined || count === undefined || listed.length === 0) return 'expected: group <name> all|any|<k> <name>...'
    const threshold = count === 'all' ? listed.length : count === 'any' ? 1 : /^[1-9]\d{0,5}$/.test(count) ? Number(count) : Number.NaN
    if (!(threshold <= listed.length)) return `the threshold must be all, any or a number from 1 to ${listed.length}`
    const problem = taken(name) ?? listed.map((member, index) => memberProblem(member, listed.indexOf(member) !== index)).find(Boolean)
    if (problem !== undefined) return problem
    names.add(name)
    for (const member of listed) members.add(member)
    groups.push({ name, threshold, members: listed })
    return undefined
  }
  const memberProblem = (name: string, twice: boolean): string | undefined => {
    if (!names.has(name)) return 'a member is not defined on a line ahead of this one'
    return twice || members.has(name) ? 'a member is in a group already' : undefined
  }
  const setQuorum = ([name, ...rest]: readonly string[]): string | undefined => {
    if (name === undefined || rest.length > 0) return 'expected: quorum <name>'
    if (quorum !== undefined) return 'there is a quorum line already'
    if (name !== none && !names.has(name)) return 'the quorum is not defined on a line ahead of this one'
    quorum = name
    return undefined
  }
  const read: Readonly<Record<string, (words: readonly string[]) => string | undefined>> = { log, witness, group, quorum: setQuorum }
  return {
    add: ([first = '', ...words]: readonly string[]): string | undefined =>
      Object.hasOwn(read, first) ? read[first]?.(words) : 'a line begins with log, witness, group or quorum',
    finish: (): WitnessPolicy | PolicyProblem =>
      quorum === undefined ? { problem: 'there is no quorum line', line: 0 } : { logs, witnesses, groups, quorum },
  }
}

/** Reads a policy file. Names are compared as they are written; only blanks and tabs separate words. */
export const parseWitnessPolicy = (text: string): WitnessPolicy | PolicyProblem => {
  const draft = createDraft()
  const lines = text.split('\n')
  if (lines.pop() !== '') return { problem: 'the last line does not end', line: lines.length + 1 }
  for (const [index, line] of lines.entries()) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the control characters are what is looked for.
    if (/[\0-\x08\x0b-\x1f\x7f]/.test(line)) return { problem: 'control characters are not allowed', line: index + 1 }
    const words = line.split(/[ \t]+/).filter((word) => word !== '')
    if (words.length === 0 || words[0]?.startsWith('#')) continue
    const problem = draft.add(words)
    if (problem !== undefined) return { problem, line: index + 1 }
  }
  return draft.finish()
}

/** Whether these witnesses (by their names in the policy) are enough. */
export const isSatisfied = ({ groups, quorum }: WitnessPolicy, cosigners: Iterable<string>): boolean => {
  const witnessed = new Set(cosigners)
  // A group names only what stands ahead of it, so one pass in that order settles each.
  for (const { name, threshold, members } of groups) {
    if (members.filter((member) => witnessed.has(member)).length >= threshold) witnessed.add(name)
  }
  return quorum === none || witnessed.has(quorum)
}
