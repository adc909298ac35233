import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { readIdentities } from '../../../services/audit/backup/identities.ts'
import { readRecipients } from '../../../services/audit/backup/recipients.ts'
import { ageKeys } from '../../support/backups.ts'

t.test('files as age writes them: one a line, comments and empty lines left out', async (t) => {
  const [one, two] = [await ageKeys(), await ageKeys()]
  const directory = t.testdir()
  const file = (name: string, text: string): string => {
    writeFileSync(path.join(directory, name), text)
    return path.join(directory, name)
  }
  t.same(await readIdentities(file('key.txt', `# created: today\n# public key: ${one.recipient}\n${one.identity}\n`)), [one.identity])
  t.same(await readRecipients(file('recipients.txt', `\n${one.recipient}\r\n # and\n  ${two.recipient}`)), [one.recipient, two.recipient])

  await t.test('anything else is refused by its line, and never shown', async (t) => {
    const mistaken = file('mistaken', `# by mistake\n${one.identity}\n`)
    const refused = await readRecipients(mistaken).catch((thrown: unknown) => thrown as Error)
    t.match(refused, { name: 'StartError', message: /^Line 2 of the recipients file .* is no age recipient \(age1…\)\.$/ })
    t.notMatch((refused as Error).message, one.identity)
    await t.rejects(readIdentities(file('short', one.identity.slice(0, -1))), {
      message: /^Line 1 of the identities file .* is no age identity/,
    })
    await t.rejects(readRecipients(file('empty', '# nobody\n\n')), { message: /names no recipient\.$/ })
    await t.rejects(readIdentities(path.join(directory, 'none')), { message: /cannot be read: ENOENT\.$/ })
  })
})
