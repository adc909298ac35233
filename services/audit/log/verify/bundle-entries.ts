/** The entries of a bundle, taken out of it only when somebody asks for one. */
import { parseLeafMessages } from '../entry-bundle.ts'
import type { FoundMessages } from './alignment.ts'
import type { FoundBundle, FoundEntry } from './found.ts'

/** All of them; none of one that does not end with the end of an entry. The bytes are a bundle no more. */
export const bundleEntries = ({ first, most, bytes }: FoundBundle): readonly FoundEntry[] =>
  (parseLeafMessages(bytes) ?? []).slice(0, most).map((message, place) => ({ revision: first + BigInt(place), message }))

/** The messages of the first `length` entries, found when one is first asked for; the bytes are a bundle no more from then on. */
export const bundleMessages = (bytes: Buffer, length: number): FoundMessages => {
  let messages: readonly Buffer[] | undefined
  return {
    length,
    at: (place) => {
      messages ??= parseLeafMessages(bytes) ?? []
      return messages[place]
    },
  }
}
