/** Spans and figures of applying batches, around a projection. */
import type { Clock } from '../kernel/clock.ts'
import { type Tracer, traced } from '../kernel/telemetry/tracer.ts'
import type { Projection } from './projection.ts'

export interface ProjectionObserver {
  readonly tracer: Tracer | undefined
  /** Told of each batch that a projection has taken; one that has to be repeated is told again. Must not throw. */
  applied(projection: string, entries: number, durationMs: number): void
}

export const observedProjection = (projection: Projection, { tracer, applied }: ProjectionObserver, clock: Clock): Projection => ({
  ...projection,
  apply: async (transaction, events) => {
    const started = clock.monotonic()
    const attributes = { 'chartwarden.projection': projection.name, 'chartwarden.entries': events.length }
    await traced(tracer, 'projection.apply', () => projection.apply(transaction, events), { attributes })
    applied(projection.name, events.length, clock.monotonic() - started)
  },
})
