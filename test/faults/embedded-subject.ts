/** A service with its embedded Postgres, as on the laptop of a small clinic, and what can be done to that Postgres. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { adminRole } from '../../services/kernel/postgres/data-directory.ts'
import { databaseUrl } from '../../services/kernel/postgres/database-url.ts'
import { serverProcesses } from '../../services/kernel/postgres/leftovers.ts'
import { embeddedDatabase } from '../../services/kernel/postgres/provision.ts'
import { openSubject, type Subject, type SubjectOptions } from './subject.ts'

export interface EmbeddedSubject extends Subject {
  /** To every process of the database server at once. Gives how many there were. */
  signalPostgres(signal: NodeJS.Signals): number
}

export const openEmbeddedSubject = async (
  stack: AsyncDisposableStack,
  options: Omit<SubjectOptions, 'adminUrl'>,
): Promise<EmbeddedSubject> => {
  const { stateDir } = options
  const dataDirectory = path.join(stateDir, 'postgres', 'data')
  const signalPostgres = (signal: NodeJS.Signals): number => {
    const found = existsSync(dataDirectory) ? serverProcesses(dataDirectory) : []
    for (const { pid } of found) {
      try {
        process.kill(pid, signal)
      } catch {
        // It ended meanwhile.
      }
    }
    return found.length
  }
  // It outlives a service that is killed, should the scenario end there.
  stack.defer(() => void signalPostgres('SIGKILL'))
  const subject = await openSubject(stack, {
    ...options,
    adminUrl: async (kept) => {
      const port = Number((await kept.up()).logged('postgres.started')['port'])
      const password = (await readFile(path.join(stateDir, 'postgres.password'), 'utf8')).trim()
      return databaseUrl({ host: '127.0.0.1', port, user: adminRole, password, database: embeddedDatabase })
    },
  })
  return { ...subject, signalPostgres }
}
