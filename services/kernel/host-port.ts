/** Where a server listens or a client connects. */
export interface HostPort {
  /** Name or address; an IPv6 address without brackets. */
  readonly host: string
  /** 0 lets the operating system choose a free one. */
  readonly port: number
}

const pattern = /^(?:\[(?<six>[0-9a-fA-F:.]+)\]|(?<name>[0-9A-Za-z_.-]+)):(?<port>\d{1,5})$/

/** Reads `host:port` or `[ipv6]:port`; undefined when it is neither. */
export const parseHostPort = (text: string): HostPort | undefined => {
  const groups = pattern.exec(text)?.groups
  const host = groups?.['six'] ?? groups?.['name']
  const port = Number(groups?.['port'])
  return host === undefined || port > 65_535 ? undefined : { host, port }
}

/** `host:port`, with brackets around an IPv6 address (RFC 3986, section 3.2.2). */
export const formatHostPort = ({ host, port }: HostPort): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)

/** Whether the host can only be reached from this machine: 127.0.0.0/8, ::1 or localhost (RFC 6761, section 6.3). */
export const isLoopback = (host: string): boolean =>
  /^127(?:\.\d{1,3}){3}$/.test(host) || host === '::1' || host === '[::1]' || host.toLowerCase() === 'localhost'
