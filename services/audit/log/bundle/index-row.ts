/** The index for people: one row an entry, taken from its bytes and, where a part was opened, from what was opened. */
import type { JsonValue } from '../../../kernel/canonical-json.ts'
import type { BundledEntry, OpenedPart } from './bundle.ts'

export const indexColumns = [
  'revision',
  'time',
  'what',
  'who',
  'on_behalf_of_or_by',
  'patient',
  'action',
  'role',
  'resource_type',
  'resource_id',
  'purpose',
  'decision',
  'reason_code',
  'reason',
  'calling_software',
  'entry_id',
] as const

/** Cells in the order of the columns. */
export type IndexRow = readonly string[]

type Members = Readonly<Record<string, unknown>>

const membersOf = (value: unknown): Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

const parse = (text: string): Members => {
  try {
    return membersOf(JSON.parse(text) as JsonValue)
  } catch {
    return {}
  }
}

/** Whom a pseudonym stands for where that was opened, else the pseudonym itself. */
const nameOf = (names: Members, pseudonym: unknown): string => {
  const { type, id } = membersOf(names[textOf(pseudonym)])
  if (typeof id !== 'string') return textOf(pseudonym)
  return textOf(type) === '' ? id : `${textOf(type)} ${id}`
}

const personOf = (names: Members, ...candidates: readonly unknown[]): string => {
  const found = candidates.map(membersOf).find(({ pseudonym }) => typeof pseudonym === 'string')
  if (found === undefined) return ''
  const name = nameOf(names, found.pseudonym)
  return name === found.pseudonym ? `${textOf(found.type)} ${name}`.trim() : name
}

/** `chartwarden.access.decided.v1`: access decided. */
const whatOf = (type: string): string =>
  type
    .replace(/^chartwarden\./, '')
    .replace(/\.v\d+$/, '')
    .replaceAll('.', ' ')

/** The row of an entry. Whatever the bytes are, there is a row. */
export const indexRow = ({ revision, bytes }: BundledEntry, part: OpenedPart | undefined): IndexRow => {
  const entry = parse(bytes.toString('utf8'))
  const data = membersOf(entry.data)
  const opened = part === undefined ? {} : parse(part.value)
  const names = membersOf(opened.names)
  const shown = membersOf(opened.private)
  const actor = membersOf(data.actor)
  const introduced = data.pseudonym === undefined ? {} : data.kind === 'patient' ? { patient: data.pseudonym } : { person: data }
  return [
    String(revision),
    textOf(entry.time),
    whatOf(textOf(entry.type)),
    // Whoever reads the trail is named by the entry as its actor alone.
    personOf(names, data.subject, data.recorded_by, data.administrator, data.recipient, introduced.person, data.query && actor.subject),
    personOf(names, actor.subject),
    nameOf(names, data.patient ?? introduced.patient),
    textOf(data.action) || textOf(data.query),
    textOf(data.role),
    textOf(data.resource_type),
    textOf(shown.resource_id),
    textOf(data.purpose),
    textOf(data.decision),
    textOf(data.reason_code),
    textOf(shown.reason) || textOf(shown.text) || textOf(shown.description),
    textOf(entry.caller),
    textOf(entry.id),
  ]
}
