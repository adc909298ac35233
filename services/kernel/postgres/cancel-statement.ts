import { connect, type Socket } from 'node:net'
import type { PoolClient } from 'pg'

/** What pg keeps of the server's BackendKeyData, and where the server is. */
interface Cancellable {
  readonly processID: number | null
  readonly secretKey: number | null
  readonly host?: string
  readonly port: number
}

/** The code of a CancelRequest, https://www.postgresql.org/docs/current/protocol-message-formats.html. */
const cancelRequest = 80_877_102

/** Milliseconds after which the server is taken to be out of reach. */
const patience = 5_000

/** A directory is that of a Unix socket. */
const socketTo = ({ host, port }: Cancellable): Socket =>
  host?.startsWith('/') === true ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host ?? 'localhost')

/**
 * Asks the server to end the statement that this connection runs, by a connection of its own, as the protocol has it: no login and no place
 * in a pool is needed. The server answers nothing, and a request that comes too early or too late ends nothing, or the statement after. So
 * whoever asks keeps the connection for as long, asks again while the statement goes on, and lends the connection to nobody afterwards.
 * Returns when the server has taken the request or cannot be reached; never throws.
 */
export const cancelStatement = (client: PoolClient): Promise<void> =>
  new Promise((resolve) => {
    const server = client as unknown as Cancellable
    if (server.processID === null || server.secretKey === null) return resolve()
    const request = Buffer.alloc(16)
    request.writeInt32BE(16, 0)
    request.writeInt32BE(cancelRequest, 4)
    request.writeInt32BE(server.processID, 8)
    request.writeInt32BE(server.secretKey, 12)
    const socket = socketTo(server)
    socket.setTimeout(patience, () => socket.destroy())
    socket.once('error', () => {})
    socket.once('close', () => resolve())
    socket.once('connect', () => socket.end(request))
    socket.resume()
  })
