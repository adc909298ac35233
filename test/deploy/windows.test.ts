/** No Windows is here: the file for the service wrapper is read, and that is all that is claimed. */
import path from 'node:path'
import t from 'tap'
import { readConfig } from '../../services/kernel/config.ts'
import { readDeployFile } from '../support/production-files.ts'

const text = readDeployFile('windows/chartwarden.xml')
const element = (name: string): string => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? ''

/** Whether each element is closed in its turn and nothing is left of the text but tags and characters that need no escape. */
const isWellFormed = (xml: string): boolean => {
  const open: string[] = []
  const body = xml.replace(/^<\?xml [^?]*\?>/, '').replaceAll(/<!--(?:(?!--)[\s\S])*-->/g, '')
  const rest = body.replaceAll(/<(\/?)(\w+)(?: \w+="[^"<&]*")* ?(\/?)>/g, (_, closes: string, name: string, empty: string) => {
    if (closes === '/') return open.pop() === name ? '' : '<'
    if (empty === '') open.push(name)
    return ''
  })
  return open.length === 0 && !/[<>&]/.test(rest)
}

t.test('the file is well-formed XML', async (t) => {
  t.ok(isWellFormed(text))
  t.ok(isWellFormed(readDeployFile('windows/chartwarden-witness.xml')))
  t.notOk(isWellFormed(text.replace('</serviceaccount>', '')), 'twin: an element left open')
  t.notOk(isWellFormed(text.replace('audit log', 'audit & log')), 'twin: a bare ampersand')
})

t.test(
  'the service runs as an account without administrative rights, is given time to stop, and its configuration is accepted',
  async (t) => {
    t.same([element('domain'), element('user')], ['NT AUTHORITY', 'LocalService'])
    const environment = Object.fromEntries(
      [...text.matchAll(/<env name="(\w+)" value="([^"]*)" \/>/g)].map((found) => [found[1], found[2]]),
    )
    const { mode, databaseUrls, drainTimeoutMs, signing, stateDir } = readConfig(environment)
    t.match(signing, { signerDir: /^C:/, logOrigin: 'chartwarden.example.org' })
    t.notOk(signing?.signerDir.startsWith(path.win32.dirname(stateDir) + path.win32.sep), 'outside what is backed up with the database')
    t.match({ mode, databaseUrls }, { mode: 'production', databaseUrls: undefined })
    t.ok(Number.parseInt(element('stoptimeout'), 10) * 1000 > drainTimeoutMs + 45_000)
    t.equal(element('stopparentprocessfirst'), 'true', 'the service ends its database itself')
    t.match(element('executable'), /node\.exe$/, 'no launcher between the wrapper and the service')
  },
)
