import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { exclusions } from '../../../../services/audit/log/verify/exclusions.ts'
import { faultKinds, isFaultKind } from '../../../../services/audit/log/verify/fault.ts'

const page = readFileSync(path.resolve(import.meta.dirname, '../../../../docs/reference/verification.md'), 'utf8')
const codesOf = (heading: string): readonly string[] => {
  const [, section = ''] = new RegExp(`^## ${heading}$([\\s\\S]*?)(?=^## |(?![\\s\\S]))`, 'm').exec(page) ?? []
  return [...section.matchAll(/^\| (`[\w`, ]+`) \|/gm)].flatMap(([, codes = '']) => codes.replaceAll('`', '').split(', '))
}

t.test('the reference names every kind of fault and everything that is not excluded, and no others', async (t) => {
  t.strictSame(codesOf('Kinds of faults'), Object.keys(faultKinds))
  t.strictSame(codesOf('What a check never excludes').toSorted(), Object.keys(exclusions).toSorted())
  for (const [kind, sentence] of Object.entries(faultKinds)) t.match(page, `| \`${kind}\` | ${sentence}`)
  t.ok(isFaultKind('entry_changed'))
  t.notOk(isFaultKind('toString'), 'twin')
})
