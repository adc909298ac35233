/** A relay in front of a service that a test can cut: connections end, and new ones are refused until it is mended. */
import net from 'node:net'
import type { Test } from 'tap'

export interface TcpRelay {
  /** host:port */
  readonly address: string
  cut(): void
  mend(): void
}

export const startTcpRelay = async (test: Test, target: string): Promise<TcpRelay> => {
  const colon = target.lastIndexOf(':')
  const sockets = new Set<net.Socket>()
  let open = true
  const server = net.createServer((near) => {
    if (!open) return void near.destroy()
    const far = net.connect({ host: target.slice(0, colon), port: Number(target.slice(colon + 1)) })
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    open = false
    for (const socket of sockets) socket.destroy()
  }
  test.teardown(() => {
    cut()
    server.close()
  })
  return {
    address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    cut,
    mend: () => {
      open = true
    },
  }
}
