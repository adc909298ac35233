import { canonicalJson, type JsonValue } from '../../services/kernel/canonical-json.ts'
import { printable } from './printable.ts'

/** One member of something that is put, as it was and as it is now; null: not there. */
export interface MemberChange {
  readonly member: string
  readonly from: JsonValue
  readonly to: JsonValue
}

export type Members = Readonly<Record<string, JsonValue>>

/** Members that differ, in the order of `before`, then of `after`. */
export const memberChanges = (before: Members, after: Members): readonly MemberChange[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((member) => ({ member, from: before[member] ?? null, to: after[member] ?? null }))
    .filter(({ from, to }) => canonicalJson(from) !== canonicalJson(to))

/** `R`, `HIV, PSY`, `none`; safe on a terminal. */
export const valueText = (value: JsonValue): string => {
  if (value === null || value === '' || (Array.isArray(value) && value.length === 0)) return 'none'
  if (typeof value === 'string') return printable(value)
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return printable(value.join(', '))
  return printable(JSON.stringify(value))
}

/** `  confidentiality: R -> N`, a line each. */
export const changesText = (changes: readonly MemberChange[]): string =>
  changes.map(({ member, from, to }) => `  ${printable(member)}: ${valueText(from)} -> ${valueText(to)}\n`).join('')
