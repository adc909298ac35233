/** grpc.reflection.v1 over the same .proto files the generated code comes from. Needs no token, so it is on only where configured. */
import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Server } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'

const protoDirectory = fileURLToPath(new URL('../../../proto/', import.meta.url))

export const addReflection = (server: Server, services: readonly string[]): void => {
  const files = globSync('chartwarden/**/*.proto', { cwd: protoDirectory })
  const definition = loadSync(files, {
    includeDirs: [protoDirectory],
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  })
  new ReflectionService(definition, { services: [...services] }).addToServer(server)
}
