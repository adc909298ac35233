/**
 * One stream a clinic, `chartwarden_<installation>-<clinic>`. KurrentDB takes what stands before the first `-` as the category, so there is none
 * in it; and a name never begins with `$`, which is the server's own.
 */
export interface StreamNames {
  /** What the names of this installation's streams begin with, and no other's. */
  readonly prefix: string
  streamOf(clinic: string): string
  clinicOf(stream: string): string
}

export const streamNames = (installation: string): StreamNames => {
  const prefix = `chartwarden_${installation}-`
  return {
    prefix,
    streamOf: (clinic) => `${prefix}${clinic}`,
    clinicOf: (stream) => stream.slice(prefix.length),
  }
}
