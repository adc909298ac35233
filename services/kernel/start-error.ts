/** Why the service, or a command that works on its database, did not start: one line for the operator. Never carries a secret's value. */
export class StartError extends Error {
  /** Whether the same start may succeed later though nobody changed anything: a database that does not answer, an address in use. */
  readonly mayPass: boolean

  constructor(message: string, { mayPass = false, ...options }: { readonly cause?: unknown; readonly mayPass?: boolean } = {}) {
    super(message, options)
    this.name = 'StartError'
    this.mayPass = mayPass
  }
}
