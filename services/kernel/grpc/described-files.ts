/** The files of the contract and what they import, by name and by symbol, as gRPC reflection hands them out. */
import { type DescFile, toBinary } from '@bufbuild/protobuf'
import { nestedTypes } from '@bufbuild/protobuf/reflect'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'

/** Both answer with encoded FileDescriptorProtos, the one asked for first, then everything it imports; undefined when there is none. */
export interface DescribedFiles {
  /** `chartwarden/access/v1/access_service.proto` */
  byName(file: string): readonly Uint8Array[] | undefined
  /** The full name of a service, method, message, field, oneof, enum, enum value or extension. */
  bySymbol(symbol: string): readonly Uint8Array[] | undefined
}

/** Full names of everything a file declares. Enum values are siblings of their enum (https://protobuf.dev/reference/protobuf/proto3-spec/). */
function* symbolsOf(file: DescFile): Iterable<string> {
  for (const service of file.services) {
    yield service.typeName
    for (const { name } of service.methods) yield `${service.typeName}.${name}`
  }
  for (const type of nestedTypes(file)) {
    yield type.typeName
    if (type.kind === 'message') for (const { name } of [...type.fields, ...type.oneofs]) yield `${type.typeName}.${name}`
    if (type.kind === 'enum') {
      const scope = type.typeName.slice(0, type.typeName.lastIndexOf('.') + 1)
      for (const { name } of type.values) yield `${scope}${name}`
    }
  }
}

const withImports = (file: DescFile, found = new Set<DescFile>()): ReadonlySet<DescFile> => {
  if (found.has(file)) return found
  found.add(file)
  for (const imported of file.dependencies) withImports(imported, found)
  return found
}

/** Describes the files and all they import. */
export const describeFiles = (files: readonly DescFile[]): DescribedFiles => {
  const all = new Set(files.flatMap((file) => [...withImports(file)]))
  const encoded = new Map([...all].map((file) => [file, toBinary(FileDescriptorProtoSchema, file.proto)]))
  const names = new Map([...all].map((file) => [file.proto.name, file]))
  const symbols = new Map([...all].flatMap((file) => [...symbolsOf(file)].map((symbol) => [symbol, file] as const)))

  const answer = (file: DescFile | undefined) =>
    file === undefined ? undefined : [...withImports(file)].map((each) => encoded.get(each) as Uint8Array)
  return {
    byName: (file) => answer(names.get(file)),
    bySymbol: (symbol) => answer(symbols.get(symbol)),
  }
}
