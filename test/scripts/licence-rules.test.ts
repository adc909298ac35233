import t from 'tap'
import { isAllowedLicence } from '../../scripts/licence-rules.ts'

t.test('permissive licences are allowed, alone or as a choice', async (t) => {
  for (const licence of [
    'MIT',
    'Apache-2.0',
    'ISC',
    '(MIT OR GPL-3.0-only)',
    'BSD-3-Clause AND MIT',
    '(BSD-2-Clause OR MIT OR Apache-2.0)',
  ]) {
    t.ok(isAllowedLicence(licence), licence)
  }
})

t.test('copyleft, unknown, missing or too complicated licences are refused', async (t) => {
  for (const licence of [
    'GPL-3.0-only',
    'MIT AND GPL-2.0-only',
    'UNLICENSED',
    'SEE LICENSE IN LICENSE',
    '',
    '(MIT OR (ISC AND LGPL-2.1))',
  ]) {
    t.notOk(isAllowedLicence(licence), licence)
  }
})
