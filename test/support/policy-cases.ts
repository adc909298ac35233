/** Policy cases as data: read, checked against their schema, and decided. The files are in test/conformance/policy. */
import { readdirSync, readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parse } from 'yaml'
import { type AccessDecision, decide } from '../../services/access/decide.ts'
import { patient } from './clinic-fold.ts'
import { type AskedFor, clinicOfCase, type History, momentOf, requestOf, rolesOfTables } from './policy-case-clinic.ts'

export interface Expected {
  readonly decision: 'permit' | 'deny'
  readonly reason: string
  readonly rule?: string
  readonly obligations?: readonly (string | Readonly<Record<string, readonly string[]>>)[]
  readonly roles?: readonly string[]
  readonly not_after?: string | null
  readonly overrode?: string
  readonly patient?: string | null
}

export interface PolicyCase {
  readonly name: string
  readonly given?: History
  readonly ask: AskedFor
  readonly expect: Expected
}

export interface Matrix {
  readonly name: string
  readonly subjects: readonly string[]
  readonly types: readonly string[]
  readonly actions: readonly string[]
  readonly permits: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>
  readonly count?: number
  readonly reason: string
}

export interface Finding {
  readonly name: string
  readonly kind: string
  readonly roles: readonly string[]
}

export interface PolicyFile {
  readonly file: string
  readonly title: string
  readonly clinic: { readonly roles?: readonly ('builtin' | 'openemr')[]; readonly history: History }
  readonly ask?: AskedFor
  readonly cases?: readonly PolicyCase[]
  readonly matrices?: readonly Matrix[]
  readonly findings?: readonly Finding[]
}

const folder = new URL('../conformance/', import.meta.url)
const schema = JSON.parse(readFileSync(new URL('policy.schema.json', folder), 'utf8')) as object
const validate = new Ajv2020({ allErrors: false, discriminator: true, allowUnionTypes: true, strictRequired: false }).compile(schema)

/** What is wrong with the text of a file; empty when nothing is. */
export const problemsOf = (text: string): string => {
  let data: unknown
  try {
    data = parse(text)
  } catch (error) {
    return error instanceof Error ? error.message : 'not YAML'
  }
  if (validate(data)) return ''
  return (validate.errors ?? [])
    .map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`)
    .join('; ')
}

/** Every file, checked. */
export const policyFiles = (): readonly PolicyFile[] =>
  readdirSync(new URL('policy/', folder))
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((file) => {
      const text = readFileSync(new URL(`policy/${file}`, folder), 'utf8')
      const problems = problemsOf(text)
      if (problems !== '') throw new Error(`${file}: ${problems}`)
      return { file, ...(parse(text) as Omit<PolicyFile, 'file'>) }
    })

/** As an expectation writes it: the kind, or the kind with its codes. */
const described = ({ obligations }: AccessDecision) =>
  obligations.map(({ type, properties }) => (properties.codes === undefined ? type : { [type]: properties.codes }))

export interface Answered {
  readonly answer: AccessDecision
  /** Ids of what the history gives a name. */
  readonly ids: ReadonlyMap<string, string>
}

/** Answers the cases of a file; its clinic is folded once, and anew for each case in which more happened. */
export const createAnswers = ({ clinic, ask = {} }: PolicyFile): ((one: PolicyCase) => Answered) => {
  const roles = rolesOfTables(clinic.roles ?? [])
  const untouched = clinicOfCase(roles, clinic.history)
  return ({ given, ask: asked }) => {
    const { state, ids } = given === undefined ? untouched : clinicOfCase(roles, [...clinic.history, ...given])
    const { request, now } = requestOf({ ...ask, ...asked })
    return { answer: decide(state, request, now), ids }
  }
}

/** In what an answer is not what was expected; empty when it is. */
export const differences = ({ answer, ids }: Answered, expect: Expected): readonly string[] => {
  const found: string[] = []
  const compare = (what: string, actual: unknown, expected: unknown): void => {
    if (JSON.stringify(actual) !== JSON.stringify(expected)) {
      found.push(`${what}: ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`)
    }
  }
  const { rule, roles, not_after: notAfter, overrode, patient: about } = expect
  compare('decision', answer.decision, expect.decision)
  compare('reason', answer.reasonCode, expect.reason)
  compare('obligations', described(answer), expect.obligations ?? [])
  if (rule !== undefined)
    compare(
      'rule',
      answer.rule,
      rule.replace(/\$(\w+)$/, (_, name: string) => ids.get(name) ?? `no ${name}`),
    )
  if (roles !== undefined) compare('roles', answer.roles, roles)
  if (notAfter !== undefined) compare('not after', answer.notAfter ?? null, notAfter === null ? null : momentOf(notAfter))
  if (about !== undefined) compare('patient', answer.patient ?? null, about === null ? null : patient(about))
  if (overrode !== undefined) compare('overrode', answer.overrode?.reasonCode, overrode)
  return found
}

export interface MatrixResult {
  readonly cells: number
  readonly permits: number
  readonly differences: readonly string[]
}

/** Decides every cell of a matrix. */
export const decideMatrix = ({ clinic, ask = {} }: PolicyFile, { subjects, types, actions, permits, reason }: Matrix): MatrixResult => {
  const { state } = clinicOfCase(rolesOfTables(clinic.roles ?? []), clinic.history)
  const found: string[] = []
  let cells = 0
  let permitted = 0
  for (const subject of subjects) {
    for (const action of actions) {
      for (const type of types) {
        const { request, now } = requestOf({ ...ask, subject, action, resource: type })
        const answer = decide(state, request, now)
        const expected = permits[subject]?.[action]?.includes(type) === true ? 'role_permits' : reason
        cells += 1
        if (answer.decision === 'permit') permitted += 1
        if (answer.reasonCode !== expected) found.push(`${subject} ${action} ${type}: ${answer.reasonCode}, expected ${expected}`)
      }
    }
  }
  return { cells, permits: permitted, differences: found }
}
