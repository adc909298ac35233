/** The service as a process of its own with a clinic `north` and somebody hired in it, `staff:dana`. */
import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import type { Environment } from '../../services/kernel/config.ts'
import { type Clients, clientsOf, hire, registerTestClinic, staff } from './clinic.ts'
import { createTestDatabase } from './postgres.ts'
import { scratchDirectory, testCallers, testEnvironment } from './service.ts'
import { type ServiceProcess, startServiceProcess } from './service-process.ts'

/** What dana asks: a record that her role permits. */
export const danaAsks = () => ({
  requestId: randomUUID(),
  subject: staff('dana'),
  action: { name: 'read' },
  resource: { type: 'treatment_record', id: 'record-1', patientId: 'patient-1' },
  purpose: 'TREAT',
})

export interface ClinicProcess {
  readonly service: ServiceProcess
  readonly clients: Clients
  readonly token: string
}

export const startClinicProcess = async (test: Test, more: Environment): Promise<ClinicProcess> => {
  const stateDir = scratchDirectory(test, 'clinic')
  const environment = { ...testEnvironment(await createTestDatabase(test), stateDir), ...more }
  const service = await startServiceProcess(test, environment)
  const callers = testCallers(test, stateDir, environment)
  const token = await callers.token({ clinics: ['north'] })
  const clients = clientsOf({ client: (definition, given) => callers.client(definition, given, service.address) }, token)
  await registerTestClinic(clients, 'north')
  await hire(clients, 'north', 'dana')
  return { service, clients, token }
}
