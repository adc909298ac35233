/** The `code` of a system or library error, e.g. `ENOENT` or an SQLSTATE; undefined when there is none. */
export const errorCode = (thrown: unknown): string | undefined => {
  const code = thrown instanceof Error ? (thrown as Error & { code?: unknown }).code : undefined
  return typeof code === 'string' ? code : undefined
}
