/** What a check could not exclude, in words for whoever has to rely on it. The codes are published (docs/reference/verification.md). */
import type { WitnessPolicy } from '../witness-policy.ts'
import type { Run } from './row-comparison.ts'

/** Code → what it says. `{…}` is filled in. */
export const exclusions = {
  true_when_recorded:
    'That an entry says what happened: a log proves that nothing was changed since it was published, not that it was right.',
  rewritten_with_keys:
    'Nothing from outside was given to compare with. Whoever holds the signing keys and the database could have rewritten everything and signed it anew. Keep a checkpoint or a receipt elsewhere and give it the next time.',
  rewritten_after_anchor:
    'From revision {from} on, nothing from outside was given to compare with: whoever holds the signing keys and the database could have rewritten these entries and signed them anew.',
  key_learnt:
    'The key of the log was learnt from what was checked. Somebody who put another key in its place and signed everything with it would not show here. Give the key that you know with --key.',
  key_change_unproven:
    'A change of keys is recorded at revision {at}, but no checkpoint that was given or found, signed with the key before it, covers that entry.',
  signature_unchecked: 'Who signed the checkpoint: no key of the log is known here. Give it with --key.',
  not_published: 'Entries from revision {from} on ({count}) are not under a checkpoint yet: nothing proves them.',
  cut_off:
    'That newer entries were cut off, and everything in the database that told of them, as when an older copy of it is put in its place: that takes no key. What was given from outside would show it up to entry {to}; it covers none after that.',
  cut_off_unanchored:
    'That newer entries were cut off, and everything in the database that told of them, as when an older copy of it is put in its place: that takes no key, and only something kept outside shows it.',
  not_witnessed: 'That somebody else was shown another history: {why}',
  not_witnessed_after:
    'From revision {from} on, that somebody else was shown another history: no checkpoint that covers these entries is cosigned as your policy asks.',
  not_judged: 'Whether entries {from} to {to} are as they were signed: nothing that was given or found tells.',
  recorded_at:
    'When the database stored an entry (recorded_at) and the order of entries of different clinics: neither is part of the entry.',
  left_out: 'That entries were left out which should be in this file: it proves the entries that it holds, and no others.',
  only_this_entry:
    'Anything about other entries, and whether the ledger still holds this one: only this entry and its receipt were checked.',
  opened_parts:
    'What the opened parts in this file say: they are the word of whoever made the file. The entries hold only their sealed form.',
  older_than_checkpoint: 'Whether {label} fits: nothing here shows how the log went from one size to the other.',
} as const satisfies Record<string, string>

export type ExclusionCode = keyof typeof exclusions

export interface Exclusion {
  readonly code: ExclusionCode
  readonly text: string
}

export const exclusion = (code: ExclusionCode, values: Readonly<Record<string, bigint | string>> = {}): Exclusion => ({
  code,
  text: exclusions[code].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? '')),
})

/** Without a policy nobody is trusted; with one it is said who has not cosigned. `cosigners`: names, of what fits. */
export const notWitnessed = (policy?: WitnessPolicy, cosigners: readonly string[] = []): Exclusion => {
  const missing = policy?.witnesses.map(({ name }) => name).filter((name) => !cosigners.includes(name)) ?? []
  const why =
    policy === undefined
      ? 'no witness that you trust has cosigned a checkpoint. Give your witnesses with --policy.'
      : `no checkpoint that fits is cosigned as your policy asks${missing.length === 0 ? '' : `; missing: ${missing.join(', ')}`}.`
  return exclusion('not_witnessed', { why })
}

/** For ranges that nothing tells of. */
export const notJudged = ({ from, to }: Run): Exclusion => exclusion('not_judged', { from, to })
