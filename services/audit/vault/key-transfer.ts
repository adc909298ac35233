/**
 * A clinic's keys on their way from one installation to another. They leave only encrypted to a recipient (age, https://age-encryption.org/v1),
 * and are taken in only if they are the keys of the ledger that is here already: each data key is the one its introduction committed to, and
 * the clinic's own keys make the pseudonyms and digests that stand in it. Inside: a line of JSON each, the last one says that nothing is missing.
 */
import { createSecretKey, type KeyObject } from 'node:crypto'
import { Encrypter } from 'age-encryption'
import { canonicalJson } from '../../kernel/canonical-json.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import { openEnvelope } from '../entry.ts'
import { identityEntryId } from '../identities.ts'
import type { Ledger, StoredEntry } from '../ledger.ts'
import type { IdentityKind, Sealed } from '../vault.ts'
import { commitmentOf, identityName, openUnder, pseudonymUnder, requestDigestUnder } from './data-key.ts'
import { type ClinicKeyLine, type IdentityKeyLine, keyLine, parseKeyLine, textLines } from './key-lines.ts'
import type { DestroyedIdentityKey, KeyStore, NewIdentityKey } from './key-store.ts'
import type { MasterKey } from './master-key.ts'

export interface KeyTransferOptions {
  readonly masterKey: MasterKey
  readonly keyStore: KeyStore
  /** Holds what introduced each identity. */
  readonly ledger: Pick<Ledger, 'find'>
  /** Keys read or written at once. Defaults to 500. */
  readonly pageKeys?: number
}

export interface KeyTransfer {
  /** All keys of a clinic, encrypted, in pieces. Throws INTERNAL where there are none. */
  exportKeys(clinic: string, recipient: string): AsyncIterable<Uint8Array>
  /**
   * Takes in the keys of a clinic whose whole ledger is here, in which so many identities are introduced. The clinic's own keys are stored
   * last: until then nothing is served. Repeating it changes nothing; what is destroyed on either side stays so. Throws IMPORT_REFUSED for keys
   * that are not those of this ledger, LEDGER_EXISTS where the clinic has other keys.
   */
  importKeys(clinic: string, pieces: AsyncIterable<Uint8Array>, introduced: bigint): Promise<void>
}

/** Whether keys can be encrypted to it: an age recipient, `age1…`. */
export const isRecipient = (text: string): boolean => {
  try {
    new Encrypter().addRecipient(text)
    return true
  } catch {
    return false
  }
}

const refused = (why: string, cause?: unknown): ChartwardenError =>
  new ChartwardenError('IMPORT_REFUSED', {
    message: `The keys are not those of this ledger: ${why}. The clinic is not served.`,
    ...(cause === undefined ? {} : { cause }),
  })

interface ClinicKeyObjects {
  readonly pseudonymKey: KeyObject
  readonly digestKey: KeyObject
}

/** Throws IMPORT_REFUSED unless the introduction was made with these keys. */
const checkIntroduction = (entry: StoredEntry, line: IdentityKeyLine, { pseudonymKey, digestKey }: ClinicKeyObjects): void => {
  const { data, requestdigest } = openEnvelope(entry.bytes)
  const { pseudonym, commit } = line
  if (data.commit !== commit) throw refused('a key is not the one an identity was introduced with')
  const digest = requestDigestUnder(digestKey, canonicalJson({ operation: 'identity', pseudonym }))
  if (digest.toString('base64') !== requestdigest) throw refused('the digest key is another one')
  if (line.key === undefined) return
  if (commitmentOf(line.key) !== commit) throw refused('a key is not the one an identity was introduced with')
  const sealed = data.sealed as Sealed | undefined
  if (sealed === undefined) return
  let name: string
  try {
    const opened = openUnder(createSecretKey(line.key), sealed, { clinic: entry.clinic, entryId: entry.id, entryType: entry.type })
    const { type, id } = opened as { readonly type: string; readonly id: string }
    name = identityName({ kind: data.kind as IdentityKind, type, id })
  } catch (cause) {
    throw refused('an introduction does not open', cause)
  }
  if (pseudonymUnder(pseudonymKey, name) !== pseudonym) throw refused('the pseudonym key is another one')
}

export const createKeyTransfer = ({ masterKey, keyStore, ledger, pageKeys = 500 }: KeyTransferOptions): KeyTransfer => {
  const unwrap = (clinic: string, wrapped: Uint8Array, name: string): Buffer => masterKey.unwrap(wrapped, `${clinic}\n${name}`)

  async function* plainKeys(clinic: string): AsyncGenerator<Uint8Array> {
    const keys = await keyStore.clinicKeys(clinic)
    if (keys === undefined) throw new ChartwardenError('INTERNAL', { cause: new Error('a clinic that is served has no keys') })
    yield keyLine({
      kind: 'clinic',
      clinic,
      pseudonymKey: unwrap(clinic, keys.pseudonymKey, 'pseudonym key'),
      digestKey: unwrap(clinic, keys.digestKey, 'digest key'),
    })
    let identities = 0
    for (let after = ''; ; ) {
      const page = await keyStore.identityKeysAfter(clinic, after, pageKeys)
      if (page.size === 0) break
      for (const [pseudonym, stored] of page) {
        const key = stored.kind === 'present' ? unwrap(clinic, stored.wrapped, pseudonym) : undefined
        yield keyLine({ kind: 'identity', pseudonym, commit: stored.commit, key })
        after = pseudonym
        identities += 1
      }
    }
    yield keyLine({ kind: 'end', identities })
  }

  /** Stores the keys of identities that are introduced; answers how many. Of others no entry holds anything: they are made anew when needed. */
  const takeIdentities = async (clinic: string, lines: readonly IdentityKeyLine[], keys: ClinicKeyObjects): Promise<number> => {
    const entries = await ledger.find(
      clinic,
      lines.map(({ pseudonym }) => identityEntryId(clinic, pseudonym)),
    )
    const known = lines.flatMap((line) => {
      const entry = entries.get(identityEntryId(clinic, line.pseudonym))
      return entry === undefined ? [] : [{ line, entry }]
    })
    const here = await keyStore.identityKeys(
      clinic,
      known.map(({ line }) => line.pseudonym),
    )
    const present: NewIdentityKey[] = []
    const destroyed: DestroyedIdentityKey[] = []
    for (const { line, entry } of known) {
      checkIntroduction(entry, line, keys)
      const { pseudonym, commit, key } = line
      if (here.has(pseudonym)) continue
      if (key === undefined) destroyed.push({ pseudonym, commit })
      else present.push({ pseudonym, commit, wrapped: masterKey.wrap(key, `${clinic}\n${pseudonym}`) })
    }
    const stored = [
      ...here,
      ...(present.length === 0 ? [] : await keyStore.putIdentityKeys(clinic, present)),
      ...(destroyed.length === 0 ? [] : await keyStore.putDestroyedKeys(clinic, destroyed)),
    ]
    const commits = new Map(known.map(({ line }) => [line.pseudonym, line.commit]))
    for (const [pseudonym, { commit }] of stored) if (commits.get(pseudonym) !== commit) throw new ChartwardenError('LEDGER_EXISTS')
    return known.length
  }

  const takeClinic = async (clinic: string, line: ClinicKeyLine): Promise<void> => {
    const stored = await keyStore.putClinicKeys(clinic, {
      pseudonymKey: masterKey.wrap(line.pseudonymKey, `${clinic}\npseudonym key`),
      digestKey: masterKey.wrap(line.digestKey, `${clinic}\ndigest key`),
    })
    const same =
      unwrap(clinic, stored.pseudonymKey, 'pseudonym key').equals(line.pseudonymKey) &&
      unwrap(clinic, stored.digestKey, 'digest key').equals(line.digestKey)
    if (!same) throw new ChartwardenError('LEDGER_EXISTS', { message: 'This clinic has other keys here already.' })
  }

  return {
    exportKeys: async function* (clinic, recipient) {
      const encrypter = new Encrypter()
      encrypter.addRecipient(recipient)
      const encrypted = await encrypter.encrypt(ReadableStream.from(plainKeys(clinic)) as ReadableStream<Uint8Array>)
      for await (const piece of encrypted as AsyncIterable<Uint8Array>) yield piece
    },
    importKeys: async (clinic, pieces, introduced) => {
      let own: { readonly line: ClinicKeyLine; readonly objects: ClinicKeyObjects } | undefined
      let waiting: IdentityKeyLine[] = []
      let last = ''
      let count = 0
      let taken = 0
      let ended = false
      const take = async (): Promise<void> => {
        if (own !== undefined && waiting.length > 0) taken += await takeIdentities(clinic, waiting, own.objects)
        waiting = []
      }
      for await (const text of textLines(pieces)) {
        const line = parseKeyLine(text)
        if (line === undefined || ended) throw refused('they cannot be read')
        if (line.kind === 'clinic') {
          if (own !== undefined || line.clinic !== clinic) throw refused('they are of another clinic')
          own = { line, objects: { pseudonymKey: createSecretKey(line.pseudonymKey), digestKey: createSecretKey(line.digestKey) } }
        } else if (own === undefined) throw refused('they cannot be read')
        else if (line.kind === 'identity') {
          if (line.pseudonym <= last) throw refused('they are out of order')
          last = line.pseudonym
          waiting.push(line)
          count += 1
          if (waiting.length >= pageKeys) await take()
        } else {
          if (line.identities !== count) throw refused('some are missing')
          ended = true
        }
      }
      await take()
      if (!ended || own === undefined || BigInt(taken) !== introduced) throw refused('some are missing')
      await takeClinic(clinic, own.line)
    },
  }
}
