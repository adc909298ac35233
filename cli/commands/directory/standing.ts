import type { JsonObject } from '@bufbuild/protobuf'
import { type Command, Option } from 'commander'
import { ChartwardenError, type ErrorReason } from '../../../services/kernel/errors.ts'
import type { ChangeOptions } from '../../input/common-options.ts'
import { type PropertyValues, parseProperty, parseRemovedProperty } from '../../input/properties.ts'
import { changesText, type MemberChange, type Members, memberChanges } from '../../output/member-changes.ts'

/** Options of both `put` commands. */
export interface PutOptions extends ChangeOptions {
  readonly property?: PropertyValues
  readonly removeProperty?: readonly string[]
  readonly replace?: true
}

export const withProperties = (command: Command, example: string): Command =>
  command
    .option('--property <name=value>', `one property; repeat it for more: ${example}`, parseProperty)
    .option('--remove-property <name>', 'take a property away; repeat it for more', parseRemovedProperty)
    .addOption(
      new Option('--replace', 'say only what is given here; everything else that was said is dropped').conflicts(['removeProperty']),
    )

/** What was said before: `none` when nothing was; `unread` when the caller may not see it. */
export type Standing<Description> =
  | { readonly kind: 'described'; readonly description: Description }
  | { readonly kind: 'none' }
  | { readonly kind: 'unread' }

/**
 * Reads what a put would change. Who replaces everything need not be allowed to read it; who changes a part must, since the part that is
 * not given would be lost otherwise.
 */
export const readStanding = async <Description>(
  { replace }: PutOptions,
  undescribed: ErrorReason,
  read: () => Promise<Description | undefined>,
): Promise<Standing<Description>> => {
  try {
    const description = await read()
    return description === undefined ? { kind: 'none' } : { kind: 'described', description }
  } catch (thrown) {
    if (!(thrown instanceof ChartwardenError)) throw thrown
    if (thrown.reason === undescribed) return { kind: 'none' }
    if (!['SCOPE_MISSING', 'NOT_PERMITTED'].includes(thrown.reason)) throw thrown
    if (replace) return { kind: 'unread' }
    const message = `${thrown.message} What is not given stays as it is, so it is read first: that may not be done here. With --replace nothing is read, and everything not given is dropped.`
    throw new ChartwardenError(thrown.reason, { message, fields: thrown.fields, metadata: thrown.metadata, cause: thrown })
  }
}

/** Properties as they stand, with those given in place and those to remove gone. Throws INVALID_ARGUMENT for one that is both. */
export const mergedProperties = (standing: JsonObject | undefined, { property, removeProperty = [] }: PutOptions): JsonObject => {
  const both = removeProperty.find((name) => property !== undefined && Object.hasOwn(property, name))
  if (both !== undefined) {
    throw new ChartwardenError('INVALID_ARGUMENT', { message: `--property and --remove-property both name ${both}; give one of them.` })
  }
  const kept = Object.entries(standing ?? {}).filter(([name]) => !removeProperty.includes(name))
  return Object.fromEntries([...kept, ...Object.entries(property ?? {}).map(([name, value]) => [name, value] as const)]) as JsonObject
}

/** Properties as members of what is compared. */
export const propertyMembers = (properties: JsonObject | undefined): Members =>
  Object.fromEntries(Object.entries(properties ?? {}).map(([name, value]) => [`properties.${name}`, value])) as Members

/** What the put changed, as data; undefined when what stood before could not be read. */
export const changedBy = <Description>(
  standing: Standing<Description>,
  membersOf: (description: Description | undefined) => Members,
  put: Description,
): readonly MemberChange[] | undefined => {
  if (standing.kind === 'unread') return undefined
  return memberChanges(membersOf(standing.kind === 'described' ? standing.description : undefined), membersOf(put))
}

/** The same for people. */
export const changedText = <Description>({ kind }: Standing<Description>, changes: readonly MemberChange[] | undefined): string => {
  if (changes === undefined) return '  what was said before was not read and is dropped\n'
  return changes.length === 0 && kind === 'described' ? '  it says the same as before\n' : changesText(changes)
}

/** Properties to remove that did not stand there: most likely a misspelling. */
export const notStanding = (standing: JsonObject | undefined, { removeProperty = [] }: PutOptions): readonly string[] =>
  removeProperty.filter((name) => standing === undefined || !Object.hasOwn(standing, name))
