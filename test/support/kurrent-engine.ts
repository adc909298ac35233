import type { Test } from 'tap'
import { createKurrentEngine, type KurrentEngine, type KurrentEngineOptions } from '../../services/audit/engines/kurrent/engine.ts'
import { openPool } from './postgres-engine.ts'
import type { TestDatabase } from './postgres-server.ts'

/** One service's engine over a KurrentDB, or its double, with its own connections; closed when the test ends. */
export const openKurrentEngine = async (
  test: Test,
  url: string,
  database: TestDatabase,
  options: Partial<KurrentEngineOptions> = {},
): Promise<KurrentEngine> => {
  const writer = openPool(test, database.writerUrl)
  const feed = openPool(test, database.feedUrl, { max: 6 })
  const engine = await createKurrentEngine({ connectionString: url, writer, feed, ...options })
  test.teardown(() => engine.close())
  return engine
}
