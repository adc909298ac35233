/** Why the service did not start: one line that tells the operator what to change. Never carries a secret's value. */
export class StartError extends Error {
  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options)
    this.name = 'StartError'
  }
}
