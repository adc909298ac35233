import { Client, credentials, Metadata } from '@grpc/grpc-js'
import { decodeStatus } from '../../services/kernel/grpc/status.ts'
import type { grpcDoor } from './grpc-door.ts'

type Door = Pick<Awaited<ReturnType<typeof grpcDoor>>, 'address' | 'token'>

/** Sends any bytes to a method of AccessService, past every typed client. Rejects with the error that was sent, and its metadata in `sent`. */
export const sendBytes = ({ address, token }: Door, method: string, bytes: Buffer): Promise<Buffer> => {
  const client = new Client(address, credentials.createInsecure())
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${token()}`)
  const same = (value: Buffer): Buffer => value
  return new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest(`/chartwarden.access.v1.AccessService/${method}`, same, same, bytes, metadata, (error, answer) => {
      client.close()
      if (error !== null) reject(Object.assign(decodeStatus(error), { sent: error.metadata }))
      else resolve(answer ?? Buffer.alloc(0))
    })
  })
}
