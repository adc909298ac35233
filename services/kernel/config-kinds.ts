/** Kinds of values that a variable may have. */
import { type HostPort, parseHostPort } from './host-port.ts'
import { parseMasterKey } from './master-key-text.ts'

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

export const databaseUrl: Kind<string> = {
  allowed: 'a URL that begins with postgres:// or postgresql://, or @ and the path of a file that holds it',
  parse: (text) => (/^postgres(?:ql)?:\/\/\S+$/.test(text) ? text : undefined),
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
