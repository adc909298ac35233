/**
 * Cells of role tables that people open in a spreadsheet and import again. What a spreadsheet would run as a formula gets an apostrophe in
 * front, and so does what looks like a cell that got one, so that taking one away always gives back the text that was written.
 * https://owasp.org/www-community/attacks/CSV_Injection
 */
const guarded = /^'*(?:[\t\r\n]|\s*[=+\-@＝＋－＠])/u

/** The text as a cell may hold it: it never begins like a formula. */
export const guardCell = (text: string): string => (guarded.test(text) ? `'${text}` : text)

/** The text of a cell that `guardCell` made. */
export const unguardCell = (cell: string): string => (cell.startsWith("'") && guarded.test(cell) ? cell.slice(1) : cell)
