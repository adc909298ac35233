import type { DescMethod } from '@bufbuild/protobuf'
import type { Scope } from '../scopes.ts'
import { StartError } from '../start-error.ts'
import type { OutlineFields } from './outline.ts'

/** What is known of a method before it is called. */
export interface MethodPlan {
  /** `package.Service/Method` */
  readonly name: string
  readonly method: DescMethod
  readonly scope: Scope
  /** Whether each request names a clinic that the caller's token must name. */
  readonly namesClinic: boolean
  /** Whether its work passes admission: what software sends by itself, all day. What people and operators do has limits of its own. */
  readonly admitted: boolean
  /** The field of its request that holds the items of a batch; undefined: a request is one. */
  readonly items: string | undefined
  /** Where the bytes of a request say what admission asks; undefined: what is not admitted is decoded at once. */
  readonly outline: OutlineFields | undefined
}

export type MethodScopes = Readonly<Record<string, { readonly scope: Scope }>>

/** Taking rights away, emergencies and reports are not among them: no flood of questions may use up what those need. */
const admittedScopes: ReadonlySet<Scope> = new Set(['access.check', 'access.record', 'disclosure.record', 'concern.record'])

/** Throws StartError for a method without a rule: it would be open to every token. */
export const planMethod = (method: DescMethod, rules: MethodScopes): MethodPlan => {
  const name = `${method.parent.typeName}/${method.name}`
  const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
  if (rule === undefined) throw new StartError(`The method ${name} has no rule that says which scope it needs.`)
  const { fields } = method.input
  const items = fields.find(({ fieldKind, message }) => fieldKind === 'list' && message !== undefined)
  const clinic = fields.find(({ name }) => name === 'clinic')
  // Whoever registers a clinic cannot have a token that names it yet.
  const namesClinic = rule.scope !== 'clinic.register' && method.methodKind !== 'bidi_streaming' && clinic !== undefined
  const admitted = admittedScopes.has(rule.scope) && method.methodKind !== 'server_streaming'
  return {
    name,
    method,
    scope: rule.scope,
    namesClinic,
    admitted,
    items: items?.localName,
    outline: admitted && namesClinic ? { clinic: clinic.number, items: items?.number } : undefined,
  }
}
