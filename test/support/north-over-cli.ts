import type { Test } from 'tap'
import { clientsOf, hire, registerTestClinic } from './clinic.ts'
import { commandLine } from './command-line.ts'
import { createTestDatabase } from './postgres.ts'
import { startTestService } from './service.ts'

/** A service with the clinic `north`, where anna works, and the command line that calls it. */
export const northOverCli = async (t: Test) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const clients = clientsOf(service, await service.token({ clinics: ['north'] }))
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'anna')
  return { service, clients, chartwarden: commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address }) }
}
