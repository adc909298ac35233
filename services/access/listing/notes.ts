/** Why a list may be emptier than whoever asked expects, in words that name nobody. Pure. */
import type { Pseudonym } from '../../audit/vault.ts'
import { likelyMeant, namesInForce, namesInWords, unknownAsked } from '../policy/unknown-names.ts'
import { reasonCodes } from '../reasons.ts'
import type { ClinicState } from '../state.ts'

const askedNotes = ({ roles }: ClinicState, resourceType: string, action: string): readonly string[] =>
  namesInWords(
    unknownAsked(namesInForce(roles), {
      resourceTypes: resourceType === '' ? [] : [resourceType],
      actions: action === '' ? [] : [action],
    }),
  )

/** `none` begins the sentence: that there is nothing of this type. */
const noneOfType = (none: string, type: string, types: Iterable<string>): readonly string[] => {
  const known = new Set(types)
  if (type === '' || known.has(type)) return []
  const meant = likelyMeant(type, known)
  return [`${none} ${JSON.stringify(type)}${meant === undefined ? '.' : `; did you mean ${JSON.stringify(meant)}?`}`]
}

/** For a list of subjects. An empty `subjectType`: all. */
export const whoCanNotes = (
  state: ClinicState,
  { resourceType, action, subjectType }: { readonly resourceType: string; readonly action: string; readonly subjectType: string },
): readonly string[] => [
  ...askedNotes(state, resourceType, action),
  ...noneOfType(
    'This clinic knows no subject of the type',
    subjectType,
    [...state.subjects.values()].map(({ reference }) => reference.type),
  ),
]

const standingNotes = ({ subjects }: ClinicState, subject: Pseudonym): readonly string[] => {
  const known = subjects.get(subject)
  if (known === undefined) return [reasonCodes.unknown_subject]
  if (known.status !== 'active') return [reasonCodes[known.status]]
  return known.cutOff === undefined ? [] : ['This person has a cut-off: the list holds for a sign-in from after it, and for no other.']
}

/** For a list of what a subject could do. An empty type or action: each. */
export const whatCanNotes = (
  state: ClinicState,
  asked: {
    readonly subject: Pseudonym
    readonly list: 'actions' | 'resources'
    readonly resourceType: string
    readonly action: string
  },
): readonly string[] => [
  ...standingNotes(state, asked.subject),
  ...askedNotes(state, asked.resourceType, asked.action),
  ...(asked.list === 'actions'
    ? []
    : noneOfType(
        'The directory describes no record of the type',
        asked.resourceType,
        [...state.directory.resources.values()].map(({ resourceType }) => resourceType),
      )),
]
