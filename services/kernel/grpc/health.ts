/** grpc.health.v1 without a token, as probes expect it. */
import type { Server, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'

export interface Health {
  setServing(serving: boolean): void
  /** Ends the watches, which would otherwise hold a stopping server open. */
  endWatches(): void
}

type Watch = { end(): void; once(event: 'cancelled', run: () => void): unknown }

/** Overall (the empty name) and for each service; NOT_SERVING until told otherwise. */
export const addHealth = (server: Server, services: readonly string[]): Health => {
  const names = ['', ...services]
  const health = new HealthImplementation(Object.fromEntries(names.map((name) => [name, 'NOT_SERVING'] as const)))
  const watches = new Set<Watch>()
  health.addToServer({
    addService: (definition, implementation) => {
      const { watch, ...rest } = implementation as unknown as UntypedServiceImplementation & { watch: (call: Watch) => void }
      server.addService(
        definition as unknown as ServiceDefinition,
        {
          ...rest,
          watch: (call: Watch) => {
            watches.add(call)
            call.once('cancelled', () => watches.delete(call))
            watch(call)
          },
        } as unknown as UntypedServiceImplementation,
      )
    },
  })
  return {
    setServing: (serving) => {
      for (const name of names) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING')
    },
    endWatches: () => {
      for (const watch of watches) watch.end()
      watches.clear()
    },
  }
}
