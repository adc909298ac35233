/**
 * Text as it may be shown on a terminal: control characters, escape sequences and characters that reverse the reading order are written as
 * their code point, line feeds as `\n`. Identifiers and reasons come from other people, and a terminal obeys what it is sent.
 */
export const printable = (text: string): string =>
  // The controls (Cc), the formatting characters (Cf), line and paragraph separators, and lone surrogates.
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) =>
    character === '\n' ? '\\n' : `\\u{${(character.codePointAt(0) as number).toString(16)}}`,
  )

/** The same for a cell of a file, where a line break may stay. */
export const printableLines = (text: string): string => text.replace(/[^\r\n]+/g, (part) => printable(part))

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Columns a printable text takes on a terminal; wide characters count as one, so a table with them may be uneven. */
export const width = (text: string): number => {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let count = 0
  for (const _ of segmenter.segment(text)) count += 1
  return count
}
