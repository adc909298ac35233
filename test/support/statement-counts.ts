/** Which prepared statements go to Postgres, and how many rows come back: read off the wire, so that any process can be watched. */
import type { Test } from 'tap'
import type { TestDatabase } from './postgres-server.ts'
import { startTcpRelay } from './tcp-relay.ts'

export interface StatementCount {
  readonly executions: number
  readonly rows: number
}

export interface WatchedDatabase {
  /** What a writer that goes through the watch connects to. */
  readonly writerUrl: string
  /** By name of the statement, since `reset`; 0 of what was not sent. */
  count(statement: string): StatementCount
  /** Rows of all statements. */
  rows(): number
  reset(): void
}

/** The messages of one direction of one connection (PostgreSQL, "Message Formats"); the first of a client has no type. */
const createMessages = (untypedFirst: boolean, onMessage: (type: string, body: Buffer) => void) => {
  let pending: Buffer = Buffer.alloc(0)
  let untyped = untypedFirst
  return (chunk: Buffer): void => {
    pending = Buffer.concat([pending, chunk])
    for (;;) {
      const start = untyped ? 0 : 1
      if (pending.length < start + 4) return
      const end = start + pending.readInt32BE(start)
      if (pending.length < end) return
      onMessage(untyped ? '' : String.fromCharCode(pending[0] as number), pending.subarray(start + 4, end))
      pending = pending.subarray(end)
      untyped = false
    }
  }
}

/** A Bind names its portal and then its statement, each ended by a zero. */
const boundStatement = (body: Buffer): string => {
  const start = body.indexOf(0) + 1
  return body.toString('utf8', start, body.indexOf(0, start))
}

export const watchStatements = async (t: Test, database: TestDatabase): Promise<WatchedDatabase> => {
  const url = new URL(database.writerUrl)
  let counts = new Map<string, { executions: number; rows: number }>()
  const of = (statement: string) => {
    const known = counts.get(statement) ?? { executions: 0, rows: 0 }
    counts.set(statement, known)
    return known
  }
  const connections = new Map<number, Record<'client' | 'server', (chunk: Buffer) => void>>()
  const watch = () => {
    // The driver sends the next statement only when the one before is answered.
    let current = ''
    return {
      client: createMessages(true, (type, body) => {
        if (type !== 'B') return
        current = boundStatement(body)
        of(current).executions += 1
      }),
      server: createMessages(false, (type) => {
        if (type === 'D') of(current).rows += 1
      }),
    }
  }
  const relay = await startTcpRelay(t, url.host, (chunk, from, connection) => {
    const watched = connections.get(connection) ?? watch()
    connections.set(connection, watched)
    watched[from](chunk)
    return 'all'
  })
  url.host = relay.address
  return {
    writerUrl: url.href,
    count: (statement) => ({ ...of(statement) }),
    rows: () => [...counts.values()].reduce((sum, { rows }) => sum + rows, 0),
    reset: () => {
      counts = new Map()
    },
  }
}
