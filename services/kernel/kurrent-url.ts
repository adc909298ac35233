/**
 * What a connection string of KurrentDB says, as far as it must be known before the client reads it: the client prints the whole string, password
 * and all, with an option it does not know, and sends no password at all where TLS is off, without a word.
 */
export interface KurrentUrl {
  /** All of it. */
  readonly text: string
  readonly hasCredentials: boolean
  /** Whether what is sent can be read on its way. */
  readonly plain: boolean
}

const options: ReadonlySet<string> = new Set([
  'connectionname',
  'defaultdeadline',
  'discoveryinterval',
  'gossiptimeout',
  'keepaliveinterval',
  'keepalivetimeout',
  'maxdiscoverattempts',
  'nodepreference',
  'tls',
  'tlscafile',
  'tlsverifycert',
  'usercertfile',
  'userkeyfile',
])

const form =
  /^kurrentdb(?:\+discover)?:\/\/(?<credentials>[^:@/?\s]+:[^:@/?\s]+@)?[\w.-]+(?::\d{1,5})?(?:,[\w.-]+(?::\d{1,5})?)*\/?(?:\?(?<query>\S+))?$/

/** Undefined for what is no connection string, names an option twice, or one that the client does not know. */
export const parseKurrentUrl = (text: string): KurrentUrl | undefined => {
  const groups = form.exec(text)?.groups
  if (groups === undefined) return undefined
  const given = new Map<string, string>()
  for (const pair of groups['query']?.split('&') ?? []) {
    const [name = '', value = '', ...rest] = pair.split('=')
    const key = name.toLowerCase()
    if (!options.has(key) || value === '' || rest.length > 0 || given.has(key)) return undefined
    given.set(key, value)
  }
  const tls = given.get('tls') ?? 'true'
  if (tls !== 'true' && tls !== 'false') return undefined
  return { text, hasCredentials: groups['credentials'] !== undefined, plain: tls === 'false' }
}
