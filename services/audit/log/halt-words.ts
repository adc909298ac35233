import type { HaltCause } from './log-store.ts'
import type { WitnessDispute } from './witness-inquiry.ts'

/** What is known where a log was halted. Sizes in entries. */
export interface HaltFacts {
  readonly clinic: string
  readonly origin: string
  readonly ledger: bigint
  readonly tree: bigint
  readonly signed: bigint
  readonly published: bigint
  /** Of `store_behind`: the witness that has seen what the store does not know of; undefined: the database has. */
  readonly dispute?: WitnessDispute | undefined
}

const retire = (clinic: string, cause: string): string => `chartwarden log retire --clinic ${clinic} --cause ${cause}`

const disputeWords = ({ witness, kind, size }: WitnessDispute, { clinic, origin, signed, published }: HaltFacts): string =>
  `The witness ${witness} has cosigned ${kind === 'ahead' ? `${size} entries` : `another history of ${size} entries`} of ${origin}, but ` +
  `${published} are published here and the signer store knows of ${signed}: database and signer store were put back together from an older ` +
  'backup, or the witness is wrong. Nothing more is signed. Bring the newer database and directory back; ' +
  `or give up what was signed since with: ${retire(clinic, 'restored_backup')}; ` +
  'or, if it is wrong, take the witness out of the policy and start again (deploy/runbooks/witness-disputes.md)'

/** One line for the operator: what was found and what to do. docs/how-to/mend-a-log.md says more. */
export const haltWords = (cause: HaltCause, facts: HaltFacts): string => {
  const { clinic, origin, ledger, tree, signed, published, dispute } = facts
  switch (cause) {
    case 'ledger_behind':
      return (
        `The ledger of clinic ${clinic} has ${ledger} entries, but ${signed > ledger ? `${signed} were signed` : `${tree} are in its log`} (${origin}): ` +
        'a restored backup or a lost failover. The clinic is not served. Bring the missing entries back (a replica, a newer backup), ' +
        `or give them up with: ${retire(clinic, 'restored_backup')}`
      )
    case 'ledger_differs':
      return (
        `The first ${signed} entries in the ledger of clinic ${clinic} are not those that were signed as ${origin}. ` +
        `Nothing more is signed for it. Compare it with an export or a replica, then: ${retire(clinic, 'damaged')}`
      )
    case 'tiles_differ':
      return (
        `The tiles of the log ${origin} (${tree} entries) do not continue what was signed of it at ${signed} entries. ` +
        `Nothing more is signed for it. Verify the ledger, restore schema chartwarden_log from a backup, or: ${retire(clinic, 'damaged')}`
      )
    case 'store_behind':
      if (dispute !== undefined) return disputeWords(dispute, facts)
      return (
        `A checkpoint of ${published} entries of clinic ${clinic} is published, but the signer store knows of ${signed} under ${origin}: ` +
        'it was lost, restored from an older copy, or is another installation’s. Nothing more is signed. Bring the right directory back ' +
        `(CHARTWARDEN_SIGNER_DIR), or take over what is published with: chartwarden log adopt --clinic ${clinic} --checkpoint <file> --key <vkey>`
      )
  }
}
