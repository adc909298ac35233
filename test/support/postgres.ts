import t, { type Test } from 'tap'
import { startTestServer, type TestDatabase, type TestServer, type TestServerOptions } from './postgres-server.ts'

/** The one shared server of this test process; a test process is all the lifetime it has. */
let shared: Promise<TestServer> | undefined

const sharedServer = (): Promise<TestServer> => {
  if (shared === undefined) {
    shared = startTestServer()
    const starting = shared
    t.teardown(async () => (await starting).close())
  }
  return shared
}

/**
 * A fresh, empty database on the server of this test process, which starts with the first call. The roles exist; run `migrate` on
 * `migrateUrl` or `adminUrl`. It is dropped when `test` ends.
 */
export const createTestDatabase = async (test: Test, options: { readonly server?: TestServer } = {}): Promise<TestDatabase> => {
  const server = options.server ?? (await sharedServer())
  const database = await server.createDatabase()
  test.teardown(() => database.close())
  return database
}

/** A server of the test's own, for faults and settings; gone when `test` ends. */
export const ownTestServer = async (test: Test, options: TestServerOptions = {}): Promise<TestServer> => {
  const server = await startTestServer(options)
  test.teardown(() => server.close())
  return server
}
