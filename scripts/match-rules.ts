/**
 * `t.match(found, { faults: [] })` can never fail: as a pattern, an empty array matches every array, an empty one as much as a full one.
 * What is meant is `{ length: 0 }`, or a comparison of the field by `t.same`.
 */
import { type Expression, parseSync, Visitor } from 'oxc-parser'

/** Where empty arrays are in a pattern as it is written; what a name stands for cannot be seen. */
const emptyArrays = (pattern: Expression): readonly number[] => {
  switch (pattern.type) {
    case 'ArrayExpression':
      if (pattern.elements.length === 0) return [pattern.start]
      return pattern.elements.flatMap((element) => (element === null || element.type === 'SpreadElement' ? [] : emptyArrays(element)))
    case 'ObjectExpression':
      return pattern.properties.flatMap((property) => (property.type === 'SpreadElement' ? [] : emptyArrays(property.value)))
    default:
      return []
  }
}

/** One sentence for each pattern of a test that means nothing; empty when all is well. Throws SyntaxError for what does not parse. */
export const matchFaults = (file: string, text: string): readonly string[] => {
  const { program, errors } = parseSync(file, text)
  const fault = errors[0]
  if (fault !== undefined) throw new SyntaxError(`${file}: ${fault.message}`)
  const found: number[] = []
  new Visitor({
    CallExpression: ({ callee, arguments: [, pattern] }) => {
      if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier' || callee.property.name !== 'match') return
      if (pattern !== undefined && pattern.type !== 'SpreadElement') found.push(...emptyArrays(pattern))
    },
  }).visit(program)
  return found.map((place) => `${file}:${text.slice(0, place).split('\n').length}: [] matches every array; write { length: 0 }`)
}
