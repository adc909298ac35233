/** The plainest gRPC server on grpc-js: bytes in, the same bytes out. What any service on it pays before it does anything. */
import { Server, ServerCredentials } from '@grpc/grpc-js'

const server = new Server()
const identity = (bytes: Buffer): Buffer => bytes
const echo = {
  path: '/bench.Echo/Echo',
  requestStream: false,
  responseStream: false,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
}
server.addService(
  { echo },
  { echo: (call: { request: Buffer }, answer: (error: null, bytes: Buffer) => void) => answer(null, call.request) },
)
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error
  process.stdout.write(`${JSON.stringify({ event: 'service.ready', grpcPort: port })}\n`)
})
process.on('SIGTERM', () => server.forceShutdown())
