/**
 * From a parsed condition to one over variables that hold just what it names. Every name is resolved here, by scope, and written anew, so
 * that nothing a role says can reach a variable or function of the library that is not offered, and so that what it depends on is known:
 * two sets of facts that agree on its attributes and on the fixed fields give it the same variables.
 */
import type { ASTNode } from '@marcbachmann/cel-js'
import {
  binary,
  call,
  choice,
  type Estimate,
  leaf,
  listOf,
  loop,
  negation,
  scalar,
  selection,
  stated,
  statedValue,
  sure,
  whole,
} from './cost.ts'
import type { FixedVariable } from './environment.ts'
import { conditionLimits } from './limits.ts'
import { createNames, type Place, type Scope, type Variables } from './names.ts'
import type { Fault } from './place.ts'
import { bindingStrength, decimal, isDivisor, isText, type NodeOf } from './syntax.ts'
import { parseDuration, parseTimestamp, zoneNamed } from './timestamps.ts'
import type { Attribute } from './values.ts'
import { globalFunctions, loops, methods, postfixPrecedence, structures, unaryPrecedence } from './vocabulary.ts'

export interface Translation extends Variables {
  readonly text: string
  /** Where in the source stands what begins at an offset of the text. */
  readonly origin: (offset: number) => number
  readonly cost: number
}

type Translated = { readonly kind: 'translation'; readonly translation: Translation } | { readonly kind: 'fault'; readonly fault: Fault }

const maxInt = 2n ** 63n - 1n
const nothing = leaf(scalar)
const codeText = leaf({ elements: 0, weight: 256 })
const truths: ReadonlySet<FixedVariable> = new Set(['resource_has_patient', 'resource_own_record'])
const truthMethods: ReadonlySet<string> = new Set(['startsWith', 'endsWith', 'contains'])
const neverErr: ReadonlySet<string> = new Set(['==', '!=', '&&', '||'])

/** Translates a syntax tree, or says what in it is not offered. */
export const translate = (root: ASTNode): Translated => {
  let text = ''
  let fault: Fault | undefined
  let additions = 0
  const origins: (readonly [offset: number, at: number])[] = []

  const refuse = (node: ASTNode, message: string): Estimate => {
    fault ??= { message, at: node.pos }
    return nothing
  }

  const names = createNames(refuse)

  const write = (node: ASTNode, written: string): void => {
    origins.push([text.length, node.pos])
    text += written
  }

  const writePlace = (node: ASTNode, place: Place): Estimate => {
    switch (place.kind) {
      case 'refused':
        return nothing
      case 'structure':
        return refuse(node, `${place.root} stands only with a field behind it; ${structures[place.root].described}`)
      case 'properties':
        return refuse(node, `${place.root}.properties stands only with the name of a property behind it`)
      case 'field':
        write(node, names.readField(place.variable))
        return truths.has(place.variable) ? sure : codeText
      case 'attribute':
        write(node, names.readAttribute(node, place.attribute))
        return statedValue
      default:
        return place satisfies never
    }
  }

  const writePresent = (node: ASTNode, attribute: Attribute): Estimate => {
    write(node, names.readPresence(node, attribute))
    return sure
  }

  const writeGroup = (node: ASTNode, scope: Scope, depth: number, strength: number): Estimate => {
    if (bindingStrength(node) >= strength) return visit(node, scope, depth)
    text += '('
    const estimate = visit(node, scope, depth)
    text += ')'
    return estimate
  }

  const literal = (node: NodeOf<'value'>): Estimate => {
    const value: unknown = node.args
    if (typeof value === 'string') {
      write(node, JSON.stringify(value))
      return leaf({ elements: 0, weight: value.length + 1 })
    }
    if (typeof value === 'bigint' && value > maxInt) return refuse(node, 'a whole number has at most 64 bits')
    if (typeof value === 'object' && value !== null) return refuse(node, 'bytes and unsigned numbers are not offered')
    write(node, typeof value === 'number' ? decimal(value) : String(value))
    return typeof value === 'boolean' ? sure : nothing
  }

  const identifier = (node: NodeOf<'id'>, scope: Scope): Estimate => {
    const bound = scope.get(node.args)
    if (bound === undefined) {
      const offered = 'a condition speaks of subject, resource, action and context, and a text stands in quotation marks'
      return refuse(node, `there is no ${node.args}; ${offered}`)
    }
    write(node, bound.name)
    return leaf(bound.size)
  }

  const access = (node: NodeOf<'.'> | NodeOf<'[]'>, scope: Scope, depth: number): Estimate => {
    const place = names.placeOf(node, scope)
    if (place !== undefined) return writePlace(node, place)
    const base = writeGroup(node.args[0], scope, depth, postfixPrecedence)
    if (node.op === '.') {
      text += '.'
      write(node, node.args[1])
      return selection(base)
    }
    text += '['
    const index = visit(node.args[1], scope, depth)
    text += ']'
    const selected = selection(base)
    return { ...selected, cost: selected.cost + index.cost }
  }

  const operation = (node: ASTNode & { readonly args: readonly [ASTNode, ASTNode] }, scope: Scope, depth: number): Estimate => {
    const [left, right] = node.args
    if ((node.op === '+' || node.op === '-') && ++additions > conditionLimits.additions) {
      return refuse(node, `it adds and subtracts more than ${conditionLimits.additions} times`)
    }
    if ((node.op === '/' || node.op === '%') && !isDivisor(right)) {
      return refuse(right, 'divide by a number other than zero that is written out, or by int(…)')
    }
    if (node.op === 'in' && isText(left)) {
      const place = names.placeOf(right, scope)
      if (place?.kind === 'properties') return writePresent(node, { root: place.root, key: left.args })
      if (place?.kind === 'structure' && place.root === 'context') {
        const field = names.fieldOf(left, place.root, left.args)
        return field.kind === 'attribute' ? writePresent(node, field.attribute) : refuse(right, 'that is always there')
      }
    }
    const strength = bindingStrength(node)
    const first = writeGroup(left, scope, depth, strength)
    text += ' '
    write(node, node.op)
    text += ' '
    const mayErr = !neverErr.has(node.op) && !(node.op === 'in' && right.op === 'list')
    return binary(node.op, first, writeGroup(right, scope, depth, strength + 1), mayErr)
  }

  const has = (node: ASTNode, field: ASTNode | undefined, scope: Scope, depth: number): Estimate => {
    if (field?.op !== '.' && field?.op !== '[]') return refuse(node, 'has() takes a field, as in has(resource.properties.status)')
    const place = names.placeOf(field, scope)
    if (place?.kind === 'attribute') return writePresent(node, place.attribute)
    if (place !== undefined) return place.kind === 'field' ? refuse(field, 'that is always there') : writePlace(field, place)
    write(node, 'has(')
    const { cost } = visit(field, scope, depth)
    text += ')'
    return { ...sure, cost: cost + 10, errs: true }
  }

  const globalCall = (node: NodeOf<'call'>, scope: Scope, depth: number): Estimate => {
    const [name, args] = node.args
    const [first] = args
    if (name === 'has' && args.length === 1) return has(node, first, scope, depth)
    const offered = Object.hasOwn(globalFunctions, name) ? globalFunctions[name] : undefined
    if (offered === undefined) return refuse(node, `there is no function ${name}()`)
    if (first === undefined || args.length > offered.most) return refuse(node, `${name}() takes one value`)
    if (name === 'duration') {
      const duration = isText(first) ? parseDuration(first.args) : undefined
      if (duration === undefined || !isText(first)) return refuse(first, 'a duration is written out, as in duration("24h30m")')
      write(node, names.constant(node, 'duration', first.args, duration))
      return nothing
    }
    if (name === 'timestamp' && isText(first)) {
      const moment = parseTimestamp(first.args)
      if (moment === undefined) return refuse(first, 'a timestamp is written as in RFC 3339, "2026-11-22T08:00:00Z"')
      write(node, names.constant(node, 'moment', first.args, moment))
      return nothing
    }
    write(node, `${offered.translated ?? name}(`)
    const operand = visit(first, scope, depth)
    text += ')'
    return call(offered.kind, [operand], name === 'bool')
  }

  const iteration = (node: NodeOf<'rcall'>, scope: Scope, depth: number): Estimate => {
    const [name, range, args] = node.args
    const [variable, ...steps] = args
    if (variable?.op !== 'id') return refuse(variable ?? node, `${name}() names its variable first, as in ${name}(item, …)`)
    if (depth === conditionLimits.nestedLoops) return refuse(node, `loops stand at most ${conditionLimits.nestedLoops} deep in one another`)
    const start = text.length
    const over = writeGroup(range, scope, depth, postfixPrecedence)
    const bound = { name: names.element(text.slice(start)), size: over.size.item ?? stated }
    text += '.'
    write(node, `${name}(`)
    write(variable, bound.name)
    const inner = new Map(scope).set(variable.args, bound)
    const estimates = steps.map((step) => {
      text += ', '
      return visit(step, inner, depth + 1)
    })
    text += ')'
    const cost = estimates.reduce((sum, estimate) => sum + estimate.cost, 0)
    const errs = estimates.some((estimate) => estimate.errs)
    const truth = estimates.at(-1)?.truth === true
    return loop(name, over, { cost, size: scalar, errs, truth }, estimates.at(-1)?.size ?? scalar)
  }

  const method = (node: NodeOf<'rcall'>, scope: Scope, depth: number): Estimate => {
    const [name, receiver, args] = node.args
    if (Object.hasOwn(loops, name) && loops[name]?.includes(args.length)) return iteration(node, scope, depth)
    if (name === 'matches') return refuse(node, 'patterns are not offered; use startsWith, endsWith, contains, == or in')
    const offered = Object.hasOwn(methods, name) ? methods[name] : undefined
    if (offered === undefined) return refuse(node, `there is no function .${name}()`)
    if (args.length < offered.least || args.length > offered.most)
      return refuse(node, `.${name}() takes ${offered.most === 0 ? 'nothing' : 'one value'}`)
    const operands = [writeGroup(receiver, scope, depth, postfixPrecedence)]
    const [argument] = args
    if (offered.kind === 'clock' && argument !== undefined) {
      const zone = isText(argument) ? zoneNamed(argument.args) : undefined
      if (zone === undefined || !isText(argument)) return refuse(argument, 'a time zone is written out by its name, as in "Europe/Berlin"')
      text += '.'
      write(node, `in_zone(${names.constant(argument, 'zone', argument.args, zone)})`)
      operands.push(nothing)
    }
    text += '.'
    write(node, `${offered.translated ?? name}(`)
    if (offered.kind !== 'clock' && argument !== undefined) operands.push(visit(argument, scope, depth))
    text += ')'
    return call(offered.kind, operands, truthMethods.has(name))
  }

  const visit = (node: ASTNode, scope: Scope, depth: number): Estimate => {
    switch (node.op) {
      case 'value':
        return literal(node)
      case 'id': {
        const place = names.placeOf(node, scope)
        return place === undefined ? identifier(node, scope) : writePlace(node, place)
      }
      case '.':
      case '[]':
        return access(node, scope, depth)
      case 'call':
        return globalCall(node, scope, depth)
      case 'rcall':
        return method(node, scope, depth)
      case 'list': {
        write(node, '[')
        const estimates = node.args.map((element, index) => {
          if (index > 0) text += ', '
          return visit(element, scope, depth)
        })
        text += ']'
        return listOf(estimates)
      }
      case '?:': {
        const condition = writeGroup(node.args[0], scope, depth, 1)
        text += ' ? '
        const left = writeGroup(node.args[1], scope, depth, 1)
        text += ' : '
        return choice(condition, left, writeGroup(node.args[2], scope, depth, 1))
      }
      case '!_':
      case '-_': {
        write(node, node.op === '!_' ? '!' : '-')
        const operand = writeGroup(node.args, scope, depth, unaryPrecedence)
        return negation(node.op === '!_' ? '!' : '-', operand)
      }
      case 'map':
        return refuse(node, 'objects cannot be written in a condition')
      case '.?':
      case '[?]':
        return refuse(node, 'optional fields are not offered; use has()')
      default:
        return operation(node, scope, depth)
    }
  }

  const estimate = visit(root, new Map(), 0)
  if (fault !== undefined) return { kind: 'fault', fault }
  const { fixed, attributes, present, constants } = names.variables
  return {
    kind: 'translation',
    translation: {
      text,
      ...names.variables,
      cost: whole(
        estimate,
        [fixed, attributes, present, constants].reduce((sum, { size }) => sum + size, 0),
      ),
      origin: (offset) => origins.findLast(([from]) => from <= offset)?.[1] ?? 0,
    },
  }
}
