/** `index.csv` and `index.html`. */
import type { BundleManifest } from './bundle.ts'
import { type IndexRow, indexColumns } from './index-row.ts'
import { selectionText } from './manifest.ts'

/** Rows of the page; the table has all of them. */
export const maxPageRows = 5_000

/** Control and bidirectional characters as their code point: nothing in a cell may move or hide what stands beside it. */
const visible = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`)

/** What a spreadsheet would run gets an apostrophe in front. https://owasp.org/www-community/attacks/CSV_Injection */
const cell = (text: string): string => {
  const guarded = /^\s*[=+\-@＝＋－＠]/u.test(text) ? `'${visible(text)}` : visible(text)
  return /[",]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded
}

/** RFC 4180. */
export const tableLine = (row: IndexRow): string => `${row.map(cell).join(',')}\r\n`

export const tableHead = (): string => tableLine(indexColumns)

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const html = (text: string): string => visible(text).replace(/[&<>"']/g, (character) => escapes[character] as string)

export const pageLine = (row: IndexRow): string => `<tr>${row.map((text) => `<td>${html(text)}</td>`).join('')}</tr>\n`

export const pageHead = (manifest: BundleManifest): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Entries of ${html(manifest.clinic)}</title>
<style>body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}td,th{border:1px solid #999;padding:.2em .5em;text-align:left;vertical-align:top}</style>
<h1>Entries of the clinic ${html(manifest.clinic)}</h1>
<p>In this file: ${html(selectionText(manifest))}. Times are in UTC. This page is for reading; what is proven, and how to check it, stands in README.txt.</p>
<p>Checkpoint: ${html(manifest.origin)}, ${html(manifest.size)} entries, root ${html(manifest.root)}.</p>
<table>
<tr>${indexColumns.map((name) => `<th>${html(name.replaceAll('_', ' '))}</th>`).join('')}</tr>
`

/** `entries`: all there are. */
export const pageEnd = (entries: bigint): string =>
  entries > BigInt(maxPageRows)
    ? `</table>\n<p>This page ends here: it shows the first ${maxPageRows} of ${entries} entries. All of them stand in index.csv.</p>\n</html>\n`
    : `</table>\n<p>${entries} ${entries === 1n ? 'entry' : 'entries'}.</p>\n</html>\n`
