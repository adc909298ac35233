/** What the process of the background and the workers, which answer calls, tell each other over the channel between them. */
import type { DatabaseUrls } from '../kernel/config.ts'

/** What a worker needs to know beside its environment. */
export interface WorkerOrder {
  /** Its name among its like: `1`, `2`, … A worker that takes the place of another has that one's name. */
  readonly worker: string
  /** How many there are, with which it shares the connections. */
  readonly workers: number
  /** Where the database is; undefined: where the environment says. An embedded one has passwords that only its process knows. */
  readonly databaseUrls: DatabaseUrls | undefined
}

/** Where a worker listens. */
export interface Ports {
  readonly grpcPort: number
  readonly httpPort: number
}

export type ToWorker =
  | { readonly kind: 'start'; readonly order: WorkerOrder }
  | { readonly kind: 'reload_tls' }
  | { readonly kind: 'tell_metrics'; readonly request: number }
  /** Say that you are there. */
  | { readonly kind: 'ping' }
  /** Finish what was accepted, and end. */
  | { readonly kind: 'stop' }

export type FromWorker =
  /** It listens for messages. */
  | { readonly kind: 'hello' }
  | { readonly kind: 'listening'; readonly ports: Ports }
  /** It answers calls. */
  | { readonly kind: 'serving' }
  /** It cannot start, with the line for the operator, and ends. */
  | { readonly kind: 'refused'; readonly message: string; readonly mayPass: boolean }
  | { readonly kind: 'pong' }
  /** Text undefined: metrics are off, or it has none yet. */
  | { readonly kind: 'metrics'; readonly request: number; readonly text: string | undefined }
