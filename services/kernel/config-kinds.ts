/** Kinds of values that a variable may have. */
import { type HostPort, parseHostPort } from './host-port.ts'
import { type KurrentUrl, parseKurrentUrl } from './kurrent-url.ts'
import { parseMasterKey } from './master-key-text.ts'
import type { Quota } from './quota.ts'

/** What a value may be, and how it is read. */
export interface Kind<T> {
  /** Completes the sentence "must be …". */
  readonly allowed: string
  /** Undefined for a value that is not allowed. */
  readonly parse: (text: string) => T | undefined
}

export const choice = <const T extends string>(...values: readonly T[]): Kind<T> => ({
  allowed: values.join(', ').replace(/, ([^,]*)$/, ' or $1'),
  parse: (text) => values.find((value) => value === text),
})

/** The part ahead of `/v1/clinics/…` of a log's name; as in signed notes no blanks and no plus sign. */
export const schemelessUrl: Kind<string> = {
  allowed: 'a host name, with or without a path, such as log.example.org',
  parse: (text) => (/^[a-z0-9.-]{1,100}(?::\d{1,5})?(?:\/[A-Za-z0-9._~-]{1,60}){0,4}$/.test(text) ? text : undefined),
}

export const pathOrOff: Kind<string> = { allowed: 'a path or off', parse: (text) => (text.includes('\0') ? undefined : text) }

export const masterKey: Kind<Buffer> = {
  allowed: '32 bytes as base64 or hexadecimal digits',
  parse: parseMasterKey,
}

export const truth: Kind<boolean> = {
  allowed: 'true or false',
  parse: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
}

export const address: Kind<HostPort> = { allowed: 'host:port', parse: parseHostPort }

export const addressOrOff: Kind<HostPort | 'off'> = {
  allowed: 'host:port or off',
  parse: (text) => (text === 'off' ? text : parseHostPort(text)),
}

export const path: Kind<string> = { allowed: 'a path', parse: (text) => (text.includes('\0') ? undefined : text) }

export const word: Kind<string> = {
  allowed: 'a text without white space at its ends',
  parse: (text) => (text.trim() === text ? text : undefined),
}

export const number = (least: number, most: number): Kind<number> => ({
  allowed: `a whole number from ${least} to ${most}`,
  parse: (text) => (/^\d{1,15}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : undefined),
})

/** Units a second, and after a colon how many may come at once, which is at least that. */
export const quota: Kind<Quota | 'off'> = {
  allowed: 'off, or a whole number from 1 to 1000000, such as 200, or two of them, the second no smaller, such as 200:1000',
  parse: (text) => {
    if (text === 'off') return text
    const [, perSecond, burst] = /^([1-9]\d{0,6})(?::([1-9]\d{0,6}))?$/.exec(text)?.map(Number) ?? []
    if (perSecond === undefined) return undefined
    const read = { perSecond, burst: Number.isNaN(burst) || burst === undefined ? perSecond : burst }
    return read.perSecond <= read.burst && read.burst <= 1_000_000 ? Object.freeze(read) : undefined
  },
}

/** More than any machine we know of has a use for. */
export const mostWorkers = 64

export const workerCount: Kind<number | 'auto'> = {
  allowed: `a whole number from 1 to ${mostWorkers}, or auto`,
  parse: (text) => (text === 'auto' ? text : number(1, mostWorkers).parse(text)),
}

export const databaseUrl: Kind<string> = {
  allowed: 'a URL that begins with postgres:// or postgresql://, or @ and the path of a file that holds it',
  parse: (text) => (/^postgres(?:ql)?:\/\/\S+$/.test(text) ? text : undefined),
}

export const kurrentUrl: Kind<KurrentUrl> = {
  allowed: 'a connection string that begins with kurrentdb:// or kurrentdb+discover://, or @ and the path of a file that holds it',
  parse: parseKurrentUrl,
}

export const httpUrl: Kind<string> = {
  allowed: 'a URL that begins with http:// or https://',
  parse: (text) => (/^https?:\/\/\S+$/.test(text) && URL.canParse(text) ? text : undefined),
}

const schemePattern = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//

export const keySet: Kind<string> = {
  allowed: 'the path of a file or an http(s) URL without user and password',
  parse: (text) => {
    if (!schemePattern.test(text)) return path.parse(text)
    if (!URL.canParse(text)) return undefined
    const url = new URL(text)
    return /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' ? text : undefined
  },
}

/** A directory, or a bucket with what the names of objects begin with. */
export type BackupPlace =
  | { readonly kind: 'directory'; readonly directory: string }
  /** `prefix` is empty or ends with a slash. */
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string }

export const backupPlace: Kind<BackupPlace> = {
  allowed: 'a path, or s3:// with a bucket and what the names begin with, such as s3://backups/chartwarden',
  parse: (text) => {
    if (!schemePattern.test(text)) return text.includes('\0') ? undefined : { kind: 'directory', directory: text }
    const [, bucket, way = ''] =
      /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:\/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,8})\/?$/.exec(text) ?? []
    return bucket === undefined ? undefined : { kind: 's3', bucket, prefix: way === '' ? '' : `${way.slice(1)}/` }
  },
}
