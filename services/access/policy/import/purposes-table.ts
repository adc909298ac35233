import { isPurpose } from '../purposes.ts'
import { hasHeader, type ImportProblem, readTable } from './table.ts'

/** Purposes of each role: `role,purposes`, the codes separated by blanks; no codes: any purpose. Every role of the table has a row. */
export const readPurposes = (
  text: string,
  roles: ReadonlySet<string>,
  problems: ImportProblem[],
): ReadonlyMap<string, readonly string[]> => {
  const file = 'purposes'
  const found = new Map<string, readonly string[]>()
  const before = problems.length
  const table = readTable(file, text, problems)
  if (problems.length > before) return found
  if (!hasHeader(table, 'role', 'purposes')) {
    problems.push({ file, line: 1, message: 'the header must be "role,purposes"' })
    return found
  }
  for (const { line, cells } of table.rows) {
    const role = cells['role'] as string
    const codes = (cells['purposes'] as string).split(/\s+/).filter((code) => code !== '')
    const report = (message: string) => problems.push({ file, line, message })
    if (!roles.has(role)) report(`the role table has no role ${JSON.stringify(role)}`)
    if (found.has(role)) report(`role "${role}" has a row already`)
    for (const code of codes.filter((candidate) => !isPurpose(candidate))) report(`${JSON.stringify(code)} is no PurposeOfUse code`)
    if (new Set(codes).size < codes.length) report('names the same purpose twice')
    found.set(role, codes)
  }
  for (const role of roles) {
    if (!found.has(role))
      problems.push({ file, line: 1, message: `role "${role}" has no row; give it one, with no codes if any purpose is meant` })
  }
  return found
}
