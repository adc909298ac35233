/** A row of the table of variables. */
import type { Kind } from './config-kinds.ts'

export type Mode = 'development' | 'production'

/** A variable as the documentation shows it. */
export interface ConfigVariable {
  readonly name: string
  readonly meaning: string
  /** Undefined where the value has no unit. */
  readonly unit: string | undefined
  /** As it would be written in the environment; undefined: not set. */
  readonly default: Readonly<Record<Mode, string | undefined>>
  /** Completes the sentence "must be …". */
  readonly allowed: string
  /** The start is refused without it in production. */
  readonly requiredInProduction: boolean
  /** The value must never be shown. */
  readonly secret: boolean
}

export interface Row<T> extends ConfigVariable {
  /** Undefined for a value that is not allowed. */
  readonly parse: (text: string) => T | undefined
}

interface RowOptions {
  readonly unit?: string
  readonly default?: string | Readonly<Record<Mode, string | undefined>>
  readonly requiredInProduction?: true
  readonly secret?: true
}

export const row = <T>(name: string, kind: Kind<T>, meaning: string, options: RowOptions = {}): Row<T> => ({
  name,
  meaning,
  unit: options.unit,
  default: typeof options.default === 'object' ? options.default : { development: options.default, production: options.default },
  requiredInProduction: options.requiredInProduction ?? false,
  secret: options.secret ?? false,
  ...kind,
})
