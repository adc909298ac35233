/** Resolves what a condition names, and gives each thing it reads a variable. */
import type { ASTNode } from '@marcbachmann/cel-js'
import type { Size } from './cost.ts'
import type { FixedVariable, NumberedVariable } from './environment.ts'
import { conditionLimits } from './limits.ts'
import { isNearly } from './mistakes.ts'
import { isText } from './syntax.ts'
import { type Attribute, type AttributeRoot, attributePath } from './values.ts'
import { isRoot, reservedContext, structures } from './vocabulary.ts'

/** Variables of a translation by name. */
export interface Variables {
  readonly fixed: ReadonlySet<FixedVariable>
  readonly attributes: ReadonlyMap<string, Attribute>
  /** Whether an attribute is there. */
  readonly present: ReadonlyMap<string, Attribute>
  readonly constants: ReadonlyMap<string, unknown>
  /** Variables of loops, and what they run over as translated. */
  readonly elements: ReadonlyMap<string, string>
}

/** The variable of a loop. */
export interface Bound {
  readonly name: string
  readonly size: Size
}

/** Variables of the loops around an expression, by the name the condition gives them. */
export type Scope = ReadonlyMap<string, Bound>

/** What a chain of selections from one of the structures leads to. */
export type Place =
  | { readonly kind: 'structure'; readonly root: AttributeRoot }
  | { readonly kind: 'properties'; readonly root: AttributeRoot }
  | { readonly kind: 'field'; readonly variable: FixedVariable }
  | { readonly kind: 'attribute'; readonly attribute: Attribute }
  | { readonly kind: 'refused' }

/** Remembers the first thing that is wrong. */
export type Refuse = (node: ASTNode, message: string) => void

type Constant = Extract<NumberedVariable, 'duration' | 'moment' | 'zone'>

export interface Names {
  readonly variables: Variables
  /** Undefined: it does not start at one of the structures, or goes on beyond an attribute or field. */
  placeOf(node: ASTNode, scope: Scope): Place | undefined
  fieldOf(node: ASTNode, root: AttributeRoot, key: string): Place
  readField(variable: FixedVariable): string
  readAttribute(node: ASTNode, attribute: Attribute): string
  readPresence(node: ASTNode, attribute: Attribute): string
  /** `written`: how the condition writes it, so that the same is made once. */
  constant(node: ASTNode, kind: Constant, written: string, value: unknown): string
  element(range: string): string
}

export const createNames = (refuse: Refuse): Names => {
  const fixed = new Set<FixedVariable>()
  const attributes = new Map<string, Attribute>()
  const present = new Map<string, Attribute>()
  const constants = new Map<string, unknown>()
  const elements = new Map<string, string>()
  const counts = new Map<NumberedVariable, number>()
  const known = new Map<string, string>()

  const numbered = <T>(node: ASTNode, kind: NumberedVariable, key: string, value: T, into: Map<string, T>): string => {
    const earlier = known.get(`${kind} ${key}`)
    if (earlier !== undefined) return earlier
    const index = counts.get(kind) ?? 0
    const limit = kind === 'attribute' || kind === 'present' ? conditionLimits.attributes : conditionLimits.constants
    if (index >= limit)
      refuse(node, `it names more than ${limit} ${kind === 'attribute' || kind === 'present' ? 'attributes' : `${kind}s`}`)
    counts.set(kind, index + 1)
    const name = `${kind}_${index}`
    known.set(`${kind} ${key}`, name)
    into.set(name, value)
    return name
  }

  const fieldOf = (node: ASTNode, root: AttributeRoot, key: string): Place => {
    const { fields, open, described, withheld = {} } = structures[root]
    const variable = Object.hasOwn(fields, key) ? fields[key] : undefined
    if (variable !== undefined) return { kind: 'field', variable }
    if (!open && key === 'properties') return { kind: 'properties', root }
    if (open && !reservedContext.has(key)) return { kind: 'attribute', attribute: { root, key } }
    refuse(node, `${root} has no field ${JSON.stringify(key)}; ${Object.hasOwn(withheld, key) ? withheld[key] : described}`)
    return { kind: 'refused' }
  }

  /** Anything may be stated as context; what is nearly the name of a field is most likely a slip, and would read what a request may set. */
  const refuseNearMiss = (node: ASTNode, key: string): void => {
    const { fields } = structures.context
    const meant = Object.hasOwn(fields, key) ? undefined : Object.keys(fields).find((field) => isNearly(key, field))
    if (meant === undefined) return
    refuse(node, `context.${key} is nearly context.${meant}; where a request does state "${key}", write context["${key}"]`)
  }

  const placeOf = (node: ASTNode, scope: Scope): Place | undefined => {
    if (node.op === 'id') return isRoot(node.args) && !scope.has(node.args) ? { kind: 'structure', root: node.args } : undefined
    if (node.op !== '.' && node.op !== '[]') return undefined
    const base = placeOf(node.args[0], scope)
    if (base === undefined || base.kind === 'field' || base.kind === 'attribute') return undefined
    if (base.kind === 'refused') return base
    const index: ASTNode | string = node.args[1]
    const key = typeof index === 'string' ? index : isText(index) ? index.args : undefined
    if (key === undefined) {
      refuse(node, 'which attribute is named must be written out, as a literal text')
      return { kind: 'refused' }
    }
    if (base.kind === 'structure' && base.root === 'context' && typeof index === 'string') refuseNearMiss(node, key)
    return base.kind === 'structure' ? fieldOf(node, base.root, key) : { kind: 'attribute', attribute: { root: base.root, key } }
  }

  const attributeVariable = (node: ASTNode, kind: 'attribute' | 'present', attribute: Attribute): string => {
    // Decisions keep attributes by path, and what reads them back takes a dot for the end of a name.
    if (attribute.key.includes('.')) refuse(node, 'a property whose name holds a dot cannot be named')
    return numbered(node, kind, attributePath(attribute), attribute, kind === 'attribute' ? attributes : present)
  }

  return {
    variables: { fixed, attributes, present, constants, elements },
    placeOf,
    fieldOf,
    readField(variable) {
      fixed.add(variable)
      return variable
    },
    readAttribute: (node, attribute) => attributeVariable(node, 'attribute', attribute),
    readPresence: (node, attribute) => attributeVariable(node, 'present', attribute),
    constant: (node, kind, written, value) => numbered(node, kind, written, value, constants),
    element(range) {
      const name = `element_${elements.size}`
      elements.set(name, range)
      return name
    },
  }
}
