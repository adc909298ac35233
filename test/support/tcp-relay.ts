/** A relay in front of a service that a test can cut: connections end, and new ones are refused until it is mended. */
import net from 'node:net'
import type { Test } from 'tap'

export interface TcpRelay {
  /** host:port */
  readonly address: string
  cut(): void
  mend(): void
}

/** Looks at what comes by before it goes on: all of it does, or both connections end behind the first bytes of it. */
export type Passing = (chunk: Buffer, from: 'client' | 'server', connection: number) => 'all' | { readonly cutAfter: number }

export const startTcpRelay = async (test: Pick<Test, 'teardown'>, target: string, passing?: Passing): Promise<TcpRelay> => {
  const colon = target.lastIndexOf(':')
  const sockets = new Set<net.Socket>()
  let open = true
  let connections = 0
  const server = net.createServer((near) => {
    if (!open) return void near.destroy()
    connections += 1
    const connection = connections
    const far = net.connect({ host: target.slice(0, colon), port: Number(target.slice(colon + 1)) })
    for (const [socket, other, from] of [
      [near, far, 'client'],
      [far, near, 'server'],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      if (passing === undefined) {
        socket.pipe(other)
        continue
      }
      socket.on('data', (chunk) => {
        const passed = passing(chunk, from, connection)
        if (passed === 'all') return void other.write(chunk)
        socket.pause()
        other.write(chunk.subarray(0, passed.cutAfter), () => {
          near.destroy()
          far.destroy()
        })
      })
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
