/** The part of the logger that warns; pino's own fits. */
export interface WarningLog {
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
}
