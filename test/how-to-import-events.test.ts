/** The commands of the page on importing events do what the page says, from an empty service on. */
import path from 'node:path'
import t from 'tap'
import { commandLine } from './support/command-line.ts'
import { followPage } from './support/follow-page.ts'
import { createTestDatabase } from './support/postgres.ts'
import { startTestService } from './support/service.ts'

const page = path.resolve(import.meta.dirname, '../docs/how-to/import-events.md')

t.test('somebody follows the guide', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const chartwarden = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  const followed = await followPage(t, page, { chartwarden })
  const imports = followed.filter(({ command }) => command.includes('--mapping pacs.csv'))
  t.match(
    imports.map(({ err }) => err),
    [/3 accesses.*Nothing was recorded/s, /3 recorded, 0 there already/, /0 recorded, 3 there already/, /2 recorded, 0 there already/],
  )
  t.match(followed[1]?.out, /^3 +103 +refused/m, 'only the third')
  const report = followed.find(({ command }) => command.includes('report access'))?.out ?? ''
  t.match(report, /2026-03-02T08:40:00\.000Z .*staff:d-17 +read +imaging +img-1 +p-1 +UNSTATED .*Show on\\nlight box/)
  t.match(report, /treatment_record +42 +p-1 +UNSTATED/)
  const lenient = imports.at(-1)?.out ?? ''
  t.match(lenient, /^1 +7 +filled in +patient +CarePlan\/2/m)
  t.match(lenient, /^2 +8 +filled in +agent\.who +staff:d-17/m)
  t.match(lenient, /^3 +9 +refused +recorded/m)
})
