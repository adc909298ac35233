import type { Pseudonym } from '../../audit/vault.ts'
import type { SubjectReference } from '../events.ts'

/** Records of one patient shared with a person or an organisation. */
export interface ShareState {
  /** Id of the entry that shared them. */
  readonly id: string
  readonly recipient: SubjectReference
  readonly patient: Pseudonym
  readonly resourceTypes: readonly string[]
  /** Undefined: every record of those types. A list, since most shares name a few and there are many shares. */
  readonly records: readonly Pseudonym[] | undefined
  readonly actions: readonly string[]
  readonly purpose: string
  /** Milliseconds since the epoch, exclusive. */
  readonly until: number
}

/** Shares that no entry has ended. A lab receives thousands, so the second index goes on to the patient. */
export interface Shares {
  readonly byId: Map<string, ShareState>
  readonly byRecipient: Map<Pseudonym, Map<Pseudonym, ShareState[]>>
  /** Everybody ever shared with, whatever became of the shares: no mistyped identifier. */
  readonly recipients: Set<Pseudonym>
}

export const noShares = (): Shares => ({ byId: new Map(), byRecipient: new Map(), recipients: new Set() })

/** Puts a share into the second index alone. */
export const indexShare = (byRecipient: Shares['byRecipient'], share: ShareState): void => {
  let ofRecipient = byRecipient.get(share.recipient.pseudonym)
  if (ofRecipient === undefined) {
    ofRecipient = new Map()
    byRecipient.set(share.recipient.pseudonym, ofRecipient)
  }
  const ofPatient = ofRecipient.get(share.patient)
  if (ofPatient === undefined) ofRecipient.set(share.patient, [share])
  else ofPatient.push(share)
}

export const addShare = (shares: Shares, share: ShareState): void => {
  shares.byId.set(share.id, share)
  shares.recipients.add(share.recipient.pseudonym)
  indexShare(shares.byRecipient, share)
}

export const endShare = (shares: Shares, id: string): void => {
  const share = shares.byId.get(id)
  if (share === undefined) return
  shares.byId.delete(id)
  const ofRecipient = shares.byRecipient.get(share.recipient.pseudonym)
  const kept = ofRecipient?.get(share.patient)?.filter((other) => other.id !== id) ?? []
  if (kept.length > 0) ofRecipient?.set(share.patient, kept)
  else ofRecipient?.delete(share.patient)
  if (ofRecipient?.size === 0) shares.byRecipient.delete(share.recipient.pseudonym)
}

export const endSharesWith = (shares: Shares, recipient: Pseudonym): void => {
  for (const ofPatient of shares.byRecipient.get(recipient)?.values() ?? []) {
    for (const share of ofPatient) shares.byId.delete(share.id)
  }
  shares.byRecipient.delete(recipient)
}
