/** What was to be written could not be: what there is of it is not everything. */
export class OutputError extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause })
    this.name = 'OutputError'
  }
}
