import t from 'tap'
import { clientsOf } from '../support/clinic.ts'
import { doMainJob } from '../support/main-job.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startTestService } from '../support/service.ts'

t.test('from a question to the report, and the end of a person’s access', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  await doMainJob(t, clientsOf(service, await service.token({ clinics: ['north'] })))
})
