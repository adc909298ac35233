/** Small questions about a syntax tree of the library. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { postfixPrecedence, precedence, unaryPrecedence } from './vocabulary.ts'

export type NodeOf<Operator extends ASTNode['op']> = Extract<ASTNode, { readonly op: Operator }>

export const isText = (node: ASTNode | undefined): node is NodeOf<'value'> & { readonly args: string } =>
  node?.op === 'value' && typeof node.args === 'string'

/** An operand that binds less strongly than its operator stands in parentheses. */
export const bindingStrength = (node: ASTNode): number => {
  if (node.op === '?:') return 0
  if (node.op === '!_' || node.op === '-_') return unaryPrecedence
  return precedence[node.op] ?? postfixPrecedence
}

/** A divisor is a number other than zero, or a whole one, by which the library does not divide if it is zero. */
export const isDivisor = (node: ASTNode): boolean =>
  (node.op === 'value' && (typeof node.args === 'bigint' || typeof node.args === 'number') && Number(node.args) !== 0) ||
  (node.op === '-_' && isDivisor(node.args)) ||
  (node.op === 'call' && (node.args[0] === 'int' || node.args[0] === 'size'))

/** As the library reads it back: a double without its point would be an integer. */
export const decimal = (value: number): string => {
  const text = String(value)
  return /^\d+$/.test(text) ? `${text}.0` : text
}
