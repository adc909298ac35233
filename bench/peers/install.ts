import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'

const directory = path.resolve(import.meta.dirname, '..')

const read = (file: string): { readonly version?: string; readonly dependencies?: Readonly<Record<string, string>> } =>
  JSON.parse(readFileSync(file, 'utf8'))

/** The version of a peer as it is installed. */
const installedVersion = (name: string): string | undefined => {
  const manifest = path.join(directory, 'node_modules', name, 'package.json')
  return existsSync(manifest) ? read(manifest).version : undefined
}

/** Installs what `bench/package.json` names unless it is there. Gives the versions. */
export const installPeers = async (): Promise<Readonly<Record<string, string>>> => {
  const { dependencies = {} } = read(path.join(directory, 'package.json'))
  if (Object.entries(dependencies).some(([name, version]) => installedVersion(name) !== version)) {
    // npm is a script on Windows.
    await promisify(execFile)('npm', ['install', '--prefix', directory, '--no-audit', '--no-fund'], { shell: process.platform === 'win32' })
  }
  return dependencies
}
