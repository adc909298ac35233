/**
 * Who may do what to a stream, as the server decides it (`$acl` in the stream's metadata, else its defaults): `$admins` may do everything, the
 * log and the server's own streams are theirs alone, and any other stream is everybody's who has signed in unless its own list says otherwise.
 */
import type { Metadata } from '@grpc/grpc-js'

export interface User {
  readonly login: string
  readonly password: string
  readonly groups: readonly string[]
}

export type Operation = 'read' | 'write' | 'delete'

const listOf = { read: '$r', write: '$w', delete: '$d' } as const
const metaListOf = { read: '$mr', write: '$mw', delete: '$mw' } as const

export type MayDo = (headers: Metadata, operation: Operation, stream: string) => boolean

export interface AccessOptions {
  /** Undefined: as a server that asks nobody who they are. */
  readonly users: readonly User[] | undefined
  readonly metadata: (stream: string) => Readonly<Record<string, unknown>>
}

export const createAccess = ({ users, metadata }: AccessOptions): MayDo => {
  if (users === undefined) return () => true

  const userOf = (headers: Metadata): User | undefined => {
    const [, encoded = ''] = /^Basic (.+)$/i.exec(String(headers.get('authorization')[0] ?? '')) ?? []
    const [login, password] = Buffer.from(encoded, 'base64').toString('utf8').split(':')
    return users.find((user) => user.login === login && user.password === password)
  }

  return (headers, operation, stream) => {
    const user = userOf(headers)
    if (user === undefined) return false
    if (user.groups.includes('$admins')) return true
    const ofMetadata = stream.startsWith('$$')
    const name = ofMetadata ? stream.slice(2) : stream
    if (name.startsWith('$')) return false
    const lists = metadata(name)['$acl'] as Readonly<Record<string, string | readonly string[]>> | undefined
    const list = lists?.[(ofMetadata ? metaListOf : listOf)[operation]]
    return list === undefined || [list].flat().some((role) => role === '$all' || role === user.login || user.groups.includes(role))
  }
}
