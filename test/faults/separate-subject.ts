/** A service over a Postgres server of its own, perhaps with something in between. */
import path from 'node:path'
import { startTestServer, type TestServer, type TestServerOptions } from '../support/postgres-server.ts'
import { openSubject, type Subject, type SubjectOptions } from './subject.ts'

export interface SeparateSubject extends Subject {
  readonly server: TestServer
}

export interface SeparateOptions extends Omit<SubjectOptions, 'adminUrl' | 'stateDir'> {
  readonly scratch: string
  readonly postgres?: TestServerOptions
  /** Where the service finds the server that listens on this port; default: there. */
  readonly between?: (port: number) => Promise<string>
}

export const openSeparateSubject = async (
  stack: AsyncDisposableStack,
  { scratch, postgres, between, environment, ...options }: SeparateOptions,
): Promise<SeparateSubject> => {
  const server = await startTestServer(postgres)
  stack.defer(() => server.close())
  const database = await server.createDatabase()
  const address = await between?.(server.port)
  const through = (url: string): string => (address === undefined ? url : url.replace(`127.0.0.1:${server.port}`, address))
  const subject = await openSubject(stack, {
    ...options,
    stateDir: path.join(scratch, 'service'),
    environment: {
      DATABASE_URL: through(database.writerUrl),
      CHARTWARDEN_FEED_DATABASE_URL: through(database.feedUrl),
      CHARTWARDEN_QUERY_DATABASE_URL: through(database.queryUrl),
      CHARTWARDEN_MIGRATE_DATABASE_URL: database.migrateUrl,
      ...environment,
    },
    adminUrl: async () => database.adminUrl,
  })
  return { ...subject, server }
}
