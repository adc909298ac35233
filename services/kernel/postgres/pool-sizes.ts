/**
 * How many connections each pool of a process may open. Where several processes make up one service, each gets less: a server's default of
 * 100 connections, of which it keeps three for its administrator, is enough for eight workers.
 */
export interface PoolSizes {
  readonly writer: number
  readonly feed: number
  readonly query: number
  /** Used while the service starts. */
  readonly migrate: number
}

/** What a process has to do with the database. */
export type PoolUse = 'whole' | 'background' | 'answers'

/** Two connections of the feed listen for as long as somebody follows a ledger or a log. */
const leastOfWorker = { writer: 3, feed: 4, query: 3 } as const

const share = (connections: number, workers: number, least: number): number => Math.max(least, Math.ceil(connections / workers))

/** `workers`: how many processes answer; of no account for the whole service in one process. */
export const poolSizes = (use: PoolUse, workers: number): PoolSizes => {
  if (use === 'whole') return { writer: 10, feed: 10, query: 20, migrate: 2 }
  if (use === 'background') return { writer: 4, feed: 8, query: 3, migrate: 2 }
  return {
    writer: share(10, workers, leastOfWorker.writer),
    feed: share(10, workers, leastOfWorker.feed),
    query: share(20, workers, leastOfWorker.query),
    migrate: 0,
  }
}

const sum = ({ writer, feed, query, migrate }: PoolSizes): number => writer + feed + query + migrate

/** Most connections that a service of one process for the background and so many workers opens. */
export const connectionsOf = (workers: number): number =>
  sum(poolSizes('background', workers)) + workers * sum(poolSizes('answers', workers))

/** Most workers, up to those wanted, whose service needs no more than these connections; 0: not even one fits. */
export const workersWithin = (connections: number, wanted: number): number => {
  let workers = wanted
  while (workers > 0 && connectionsOf(workers) > connections) workers -= 1
  return workers
}
