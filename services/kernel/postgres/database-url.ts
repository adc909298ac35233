/** Where a server listens and who connects. */
export interface DatabaseAddress {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

/** The address as a connection URL (libpq, section 32.1.1.2). Holds the password: never log it. */
export const databaseUrl = ({ host, port, user, password, database }: DatabaseAddress): string =>
  `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${host}:${port}/${encodeURIComponent(database)}`
