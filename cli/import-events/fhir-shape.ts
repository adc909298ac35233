/** FHIR's JSON as data, and the check of a value against it. Required bindings and cardinalities are checked; extensions are not looked into. */
import type { JsonValue } from '../../services/kernel/canonical-json.ts'
import { isDateTime, parseInstant } from './fhir-time.ts'
import { isRecord } from './json-parts.ts'

/**
 * Elements by name, each `<cardinality> <type>`. Cardinality: `1` there, `?` perhaps there, `+` a list that is there, `*` perhaps a list.
 * Type: a primitive, `code(A|B)` with the only codes there are, another shape, or `any`. `value[x]` names the types of a choice: `1 string|Coding`.
 */
export type Shape = Readonly<Record<string, string>>

export type ShapeFault =
  /** A required element is not there. */
  | { readonly kind: 'missing'; readonly path: string }
  /** An element that there is not. */
  | { readonly kind: 'unknown'; readonly path: string }
  | { readonly kind: 'wrong'; readonly path: string; readonly message: string }

interface Element {
  readonly required: boolean
  readonly list: boolean
  readonly type: string
}

const primitives: Readonly<Record<string, (value: JsonValue) => boolean>> = {
  string: (value) => typeof value === 'string' && value.trim() !== '',
  code: (value) => typeof value === 'string' && /^\S+(?: \S+)*$/.test(value),
  uri: (value) => typeof value === 'string' && /^\S+$/.test(value),
  id: (value) => typeof value === 'string' && /^[A-Za-z0-9\-.]{1,64}$/.test(value),
  base64Binary: (value) => typeof value === 'string' && value !== '' && /^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(value),
  instant: (value) => typeof value === 'string' && parseInstant(value) !== undefined,
  dateTime: (value) => typeof value === 'string' && isDateTime(value),
  time: (value) => typeof value === 'string' && /^(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?$/.test(value),
  boolean: (value) => typeof value === 'boolean',
  integer: (value) => Number.isSafeInteger(value),
  decimal: (value) => typeof value === 'number',
}

/** Identifiers name who assigned them, who is named by an identifier: nothing real goes round this often. */
const maxDepth = 16

const pascal = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1)

const elementOf = (text: string): Element => ({
  required: text.startsWith('1') || text.startsWith('+'),
  list: text.startsWith('*') || text.startsWith('+'),
  type: text.slice(2),
})

/** A checker of one family of shapes. `types`: every shape by its name. */
export const createShapeCheck = (types: Readonly<Record<string, Shape>>) => {
  const expanded = new Map(
    Object.entries(types).map(([name, shape]) => {
      const elements = new Map<string, Element>()
      const choices: { readonly names: readonly string[]; readonly stem: string }[] = []
      for (const [key, text] of Object.entries(shape)) {
        const element = elementOf(text)
        const stem = /^(.*)\[x\]$/.exec(key)?.[1]
        if (stem === undefined) elements.set(key, element)
        else {
          const names = element.type.split('|').map((type) => `${stem}${pascal(type)}`)
          for (const [index, type] of element.type.split('|').entries())
            elements.set(names[index] as string, { required: false, list: false, type })
          if (element.required) choices.push({ names, stem })
        }
      }
      return [name, { elements, choices }] as const
    }),
  )

  return (root: string, value: JsonValue): readonly ShapeFault[] => {
    const faults: ShapeFault[] = []
    const wrong = (path: string, message: string): void => void faults.push({ kind: 'wrong', path, message })

    const checkValue = (type: string, found: JsonValue, path: string, depth: number): void => {
      if (type === 'any') {
        if (!isRecord(found)) wrong(path, 'must be an object')
        return
      }
      const codes = /^code\((.*)\)$/.exec(type)?.[1]?.split('|')
      if (codes !== undefined) {
        if (typeof found !== 'string' || !codes.includes(found))
          wrong(path, `must be one of ${codes.map((code) => `"${code}"`).join(', ')}`)
      } else if (Object.hasOwn(primitives, type)) {
        if (!primitives[type]?.(found)) wrong(path, `is no FHIR ${type}`)
      } else checkShape(type, found, path, depth + 1)
    }

    const checkElement = ({ list, type }: Element, found: JsonValue, path: string, depth: number): void => {
      if (!list) {
        if (Array.isArray(found)) wrong(path, 'must not be a list')
        else checkValue(type, found, path, depth)
      } else if (!Array.isArray(found)) wrong(path, 'must be a list')
      else if (found.length === 0) wrong(path, 'is an empty list')
      else for (const [index, item] of found.entries()) checkValue(type, item, `${path}[${index}]`, depth)
    }

    const checkShape = (name: string, found: JsonValue, path: string, depth: number): void => {
      const at = (key: string): string => (path === '' ? key : `${path}.${key}`)
      if (!isRecord(found)) return wrong(path, 'must be an object')
      if (depth > maxDepth) return wrong(path, 'is nested too deeply')
      const { elements, choices } = expanded.get(name) as NonNullable<ReturnType<typeof expanded.get>>
      for (const [key, inside] of Object.entries(found)) {
        const element = elements.get(key)
        if (element !== undefined) checkElement(element, inside as JsonValue, at(key), depth)
        else if (key === 'modifierExtension' || key === 'implicitRules')
          wrong(at(key), 'may change what the event means, and is not understood here')
        else if (key !== 'id' && key !== 'extension' && !(key.startsWith('_') && elements.has(key.slice(1))))
          faults.push({ kind: 'unknown', path: at(key) })
      }
      for (const [key, { required }] of elements)
        if (required && !Object.hasOwn(found, key)) faults.push({ kind: 'missing', path: at(key) })
      for (const { names, stem } of choices)
        if (!names.some((each) => Object.hasOwn(found, each))) faults.push({ kind: 'missing', path: at(`${stem}[x]`) })
    }

    checkShape(root, value, '', 0)
    return faults
  }
}
