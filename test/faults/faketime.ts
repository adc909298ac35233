/** A clock that lies to programs: libfaketime, where it is installed (Debian: `apt-get install libfaketime`). */
import { chmodSync, existsSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const candidates = ['x86_64-linux-gnu', 'aarch64-linux-gnu', ''].map((part) => path.join('/usr/lib', part, 'faketime/libfaketime.so.1'))

export const findFaketime = (): string | undefined => candidates.find((file) => existsSync(file))

export interface LyingClock {
  /** Puts this clock into a program that is started with it. */
  readonly environment: Readonly<Record<string, string>>
  /** A program that runs the one given with this clock, for those that are started with an environment of their own. */
  wrap(program: string): string
  /** From now on it is this far from the machine's, in seconds. */
  shift(seconds: number): void
}

/** Keeps its files in a directory that any account can enter. Monotonic clocks stay as they are, as they do when somebody sets the time. */
export const createLyingClock = (library: string, directory: string, name: string): LyingClock => {
  const file = path.join(directory, `${name}-clock`)
  const shift = (seconds: number): void => {
    // Read at every look at the clock: never half of it.
    writeFileSync(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`)
    chmodSync(`${file}.new`, 0o644)
    renameSync(`${file}.new`, file)
  }
  shift(0)
  const environment = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  }
  return {
    environment,
    shift,
    wrap: (program) => {
      const script = path.join(directory, `with-${name}-clock`)
      const settings = Object.entries(environment).map(([variable, value]) => `${variable}='${value}'`)
      writeFileSync(script, `#!/bin/sh\nexec env ${settings.join(' ')} '${program}' "$@"\n`)
      chmodSync(script, 0o755)
      return script
    },
  }
}
