import { Client, type ClientDuplexStream, credentials, Metadata } from '@grpc/grpc-js'

/** A grpc-js client that carries messages as the bytes they are. */
export interface BytesClient {
  call(path: string, message: Buffer): Promise<Buffer>
  duplex(path: string): ClientDuplexStream<Buffer, Buffer>
  close(): void
}

/** Long: a call that fails on a machine with too much to do would end the run. */
const longestCallMs = 60_000

const asIs = (bytes: Buffer): Buffer => bytes

export const createBytesClient = ({ address, token }: { readonly address: string; readonly token?: string }): BytesClient => {
  const client = new Client(address, credentials.createInsecure(), { 'grpc-node.flow_control_window': 1_048_576 })
  const metadata = new Metadata()
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
  return {
    call: (path, message) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest<Buffer, Buffer>(
          path,
          asIs,
          asIs,
          message,
          metadata,
          { deadline: Date.now() + longestCallMs },
          (error, answer) => {
            if (error !== null) reject(error)
            else resolve(answer ?? Buffer.alloc(0))
          },
        )
      }),
    duplex: (path) => client.makeBidiStreamRequest<Buffer, Buffer>(path, asIs, asIs, metadata),
    close: () => client.close(),
  }
}
