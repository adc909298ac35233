/** A misspelt variable stops the service; every file here that sets one is therefore held to the documented names. */
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { configVariables } from '../../services/kernel/config.ts'

const root = path.resolve(import.meta.dirname, '../..')
const documented = new Set(configVariables.map(({ name }) => name))

const ours = /\b(?:CHARTWARDEN|OTEL)_[A-Z0-9_]*[A-Z0-9]\b|\bDATABASE_URL\b/g

/** Names used in a text that no documentation knows. Kubernetes gives a pod such names of its own, which the chart turns off. */
const undocumented = (text: string): readonly string[] => [...new Set(text.match(ours) ?? [])].filter((name) => !documented.has(name))

const files = globSync('{deploy/**/*,docs/how-to/{deploy,run-in-production,run-on-windows,upgrade}*.md}', {
  cwd: root,
  withFileTypes: true,
})
  .filter((entry) => entry.isFile())
  .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))

t.test('every variable in deploy/ and its guides is a documented one', async (t) => {
  t.ok(files.includes('deploy/compose.yaml') && files.includes('deploy/systemd/chartwarden.service'))
  for (const file of files) t.same(undocumented(readFileSync(path.join(root, file), 'utf8')), [], file)
})

t.test('twin: a misspelt one would be found', async (t) => {
  const text = readFileSync(path.join(root, 'deploy/compose.yaml'), 'utf8')
  t.same(undocumented(text.replace('CHARTWARDEN_JWT_ISSUER:', 'CHARTWARDEN_JWT_ISSUR:')), ['CHARTWARDEN_JWT_ISSUR'])
})

t.test('what production requires, and what it signs with, is set, or said to be set, by each way to deploy it', async (t) => {
  const required = configVariables.filter((variable) => variable.requiredInProduction).map(({ name }) => name)
  for (const way of [
    'deploy/production.env',
    'deploy/compose.yaml',
    'deploy/systemd/*',
    'deploy/windows/chartwarden.xml',
    'deploy/helm/**/*',
  ]) {
    const text = globSync(way, { cwd: root, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(path.join(entry.parentPath, entry.name), 'utf8'))
      .join('\n')
    for (const name of [...required, 'CHARTWARDEN_SIGNER_DIR', 'CHARTWARDEN_LOG_ORIGIN'])
      t.match(text, new RegExp(`\\b${name}\\b`), `${way}: ${name}`)
  }
})
