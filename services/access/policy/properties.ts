/** What the directory keeps of a subject or resource: codes and numbers that may stay readable for ever, never text of any length. */
import type { JsonValue } from '../../kernel/canonical-json.ts'
import type { FieldViolation } from '../../kernel/errors.ts'
import type { Properties } from '../events.ts'

const maxProperties = 32
const maxItems = 64
const maxBytes = 4 * 1024
/** What a code is written with; a sentence or a name has white space. */
const code = /^[A-Za-z0-9][A-Za-z0-9_.:/+-]{0,255}$/
const propertyName = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/

/** Names that stand for labels, which a description holds beside the properties. */
export const labelNames: ReadonlySet<string> = new Set(['confidentiality', 'sensitivities'])

const codeFault = (value: unknown): string | undefined => {
  if (typeof value !== 'string') return 'must be a boolean, a number, a code or a list of codes'
  return code.test(value) ? undefined : 'must be a code: 1 to 256 letters, digits and _ . : / + -, the first a letter or digit'
}

const valueFault = (value: JsonValue | undefined): string | undefined => {
  if (typeof value === 'boolean') return undefined
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'must be a finite number'
  if (!Array.isArray(value)) return codeFault(value)
  return value.length > maxItems ? `has more than ${maxItems} items` : value.map(codeFault).find((found) => found !== undefined)
}

/** What is wrong with properties that are to be kept; `reserved` are names they may not have. */
export const propertyViolations = (
  field: string,
  properties: Properties,
  reserved: ReadonlySet<string> = new Set(),
): readonly FieldViolation[] => {
  const entries = Object.entries(properties)
  if (entries.length > maxProperties) return [{ field, description: `has more than ${maxProperties} properties` }]
  const violations = entries.flatMap(([name, value]): readonly FieldViolation[] => {
    // A name such as __proto__ would be a member in the ledger and none in memory.
    if (!propertyName.test(name) || name in Object.prototype) {
      return [{ field, description: 'each name must be 1 to 64 letters, digits and _, the first no digit' }]
    }
    if (reserved.has(name)) return [{ field: `${field}.${name}`, description: 'is a label; it stands beside the properties' }]
    const description = valueFault(value)
    return description === undefined ? [] : [{ field: `${field}.${name}`, description }]
  })
  if (violations.length > 0) return violations
  return Buffer.byteLength(JSON.stringify(properties), 'utf8') > maxBytes
    ? [{ field, description: `is larger than ${maxBytes} bytes as JSON` }]
    : []
}
