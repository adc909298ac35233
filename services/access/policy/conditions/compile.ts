import type { Compiled } from '../condition.ts'

export const compileCondition = (source: string): Compiled => ({
  kind: 'invalid',
  message: `not read: ${source.length}`,
  line: 1,
  column: 1,
})
