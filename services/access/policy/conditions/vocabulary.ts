/** What a condition may name: the fields of its four structures, and the functions of CEL that are offered. */
import type { FixedVariable } from './environment.ts'
import type { AttributeRoot } from './values.ts'

interface Structure {
  readonly fields: Readonly<Record<string, FixedVariable>>
  /** Whether any other field is an attribute that the request states. */
  readonly open: boolean
  readonly described: string
  /** Fields that somebody may look for, and why they are not there. */
  readonly withheld?: Readonly<Record<string, string>>
}

export const structures: Readonly<Record<AttributeRoot, Structure>> = {
  subject: {
    fields: { type: 'subject_type' },
    open: false,
    described: 'subject has type and properties',
    withheld: { roles: 'a condition cannot ask for roles; put the permission into the role that is to have it' },
  },
  resource: {
    fields: { type: 'resource_type', has_patient: 'resource_has_patient', own_record: 'resource_own_record' },
    open: false,
    described: 'resource has type, has_patient, own_record and properties',
  },
  action: { fields: { name: 'action_name' }, open: false, described: 'action has name and properties' },
  context: {
    fields: { time: 'context_time', caller: 'context_caller', purpose: 'context_purpose' },
    open: true,
    described: 'context has time, caller, purpose and what the request states',
  },
}

export const isRoot = (name: string): name is AttributeRoot => Object.hasOwn(structures, name)

/** Of `context`: no request can state it, and no condition can read it. */
export const reservedContext: ReadonlySet<string> = new Set(['intent'])

export type FunctionKind =
  /** Reads little of what it is given. */
  | 'constant'
  /** Reads all of it. */
  | 'traversal'
  /** Of a moment or duration; takes a time zone. */
  | 'clock'

interface OfferedFunction {
  /** The name of ours that does it, where it is not the library's. */
  readonly translated?: string
  readonly kind: FunctionKind
  readonly least: number
  readonly most: number
}

const clock = (translated?: string): OfferedFunction => ({ kind: 'clock', least: 0, most: 1, ...(translated && { translated }) })

/** `f(x)` */
export const globalFunctions: Readonly<Record<string, OfferedFunction>> = {
  size: { kind: 'traversal', least: 1, most: 1 },
  bool: { kind: 'constant', least: 1, most: 1 },
  string: { kind: 'constant', least: 1, most: 1 },
  int: { translated: 'to_int', kind: 'constant', least: 1, most: 1 },
  double: { translated: 'to_double', kind: 'traversal', least: 1, most: 1 },
  timestamp: { translated: 'to_timestamp', kind: 'constant', least: 1, most: 1 },
  duration: { kind: 'constant', least: 1, most: 1 },
}

/** `x.f()` */
export const methods: Readonly<Record<string, OfferedFunction>> = {
  size: { kind: 'traversal', least: 0, most: 0 },
  startsWith: { kind: 'traversal', least: 1, most: 1 },
  endsWith: { kind: 'traversal', least: 1, most: 1 },
  contains: { kind: 'traversal', least: 1, most: 1 },
  getFullYear: clock(),
  getMonth: clock(),
  getDate: clock(),
  getDayOfMonth: clock(),
  getDayOfWeek: clock(),
  getDayOfYear: clock('day_of_year'),
  getHours: clock(),
  getMinutes: clock(),
  getSeconds: clock(),
  getMilliseconds: clock(),
}

/** `x.f(name, …)`, and how many arguments they take. */
export const loops: Readonly<Record<string, readonly number[]>> = {
  all: [2],
  exists: [2],
  exists_one: [2],
  map: [2, 3],
  filter: [2],
}

/** Binary operators and how strongly they bind. */
export const precedence: Readonly<Record<string, number>> = {
  '||': 1,
  '&&': 2,
  '==': 3,
  '!=': 3,
  '<': 4,
  '<=': 4,
  '>': 4,
  '>=': 4,
  in: 4,
  '+': 5,
  '-': 5,
  '*': 6,
  '/': 6,
  '%': 6,
}

export const unaryPrecedence = 7
export const postfixPrecedence = 8
