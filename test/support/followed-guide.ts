import path from 'node:path'
import type { Test } from 'tap'
import { type Chartwarden, commandLine } from './command-line.ts'
import { type Followed, type FollowOptions, followPage } from './follow-page.ts'
import { createTestDatabase } from './postgres.ts'
import { startTestService } from './service.ts'

export interface FollowedGuide {
  readonly page: string
  readonly chartwarden: Chartwarden
  /** Every command of the page; empty until the tests of the file begin. */
  said(): readonly Followed[]
  /** What the first command that has all these words printed. */
  outOf(...words: readonly string[]): string
}

/** Somebody follows a page of docs/how-to on a service with nothing in it, before the other tests of the file. */
export const followedGuide = async (test: Test, name: string, learn?: FollowOptions['learn']): Promise<FollowedGuide> => {
  const page = path.resolve(import.meta.dirname, '../../docs/how-to', name)
  const service = await startTestService(test, { database: await createTestDatabase(test) })
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  let said: readonly Followed[] = []
  test.before(async () => {
    said = await followPage(test, page, { chartwarden, ...(learn === undefined ? {} : { learn }) })
  })
  return {
    page,
    chartwarden,
    said: () => said,
    outOf: (...words) => said.find(({ command }) => words.every((word) => command.includes(word)))?.out ?? '',
  }
}
