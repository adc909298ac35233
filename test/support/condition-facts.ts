import type { Compiled, Condition, ConditionError, ConditionFacts } from '../../services/access/policy/condition.ts'
import { compileCondition } from '../../services/access/policy/conditions/compile.ts'

/** Facts as a parsed request gives them: `JSON.parse` makes own properties of names that a literal would take for a prototype. */
export interface StatedFacts {
  readonly subject?: object
  readonly resource?: object
  readonly action?: object
  readonly context?: object
  readonly time?: string
}

export const conditionFacts = ({ subject, resource, action, context, time }: StatedFacts = {}): ConditionFacts => ({
  subject: { type: 'staff', properties: { ...subject } },
  resource: { type: 'imaging', has_patient: true, own_record: false, properties: { ...resource } },
  action: { name: 'read', properties: { ...action } },
  context: {
    ...context,
    time: new Date(time ?? '2026-11-22T10:30:00Z'),
    caller: 'practice-software',
    purpose: 'TREAT',
  } as ConditionFacts['context'],
})

export const compiled = (source: string): Condition => {
  const result: Compiled = compileCondition(source)
  if (result.kind === 'invalid') throw new Error(`${source}: ${result.line}:${result.column} ${result.message}`)
  return result.condition
}

export const evaluated = (source: string, stated: StatedFacts = {}): boolean | ConditionError =>
  compiled(source).evaluate(conditionFacts(stated))
