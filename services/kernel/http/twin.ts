/** Where each method of the contract stands in the HTTP API: the one table that routes and the OpenAPI document are made from. */
import type { DescMethod, DescService } from '@bufbuild/protobuf'
import { type MethodPlan, type MethodScopes, planMethod } from '../grpc/method-plan.ts'

/** A method of the contract as a route. */
export interface Twin {
  readonly plan: MethodPlan
  /** With `{clinic}` where the method names a clinic. */
  readonly path: string
  /** One message a line, as they come. */
  readonly streams: boolean
}

/** `AccessHistory` → `access-history` */
const kebab = (name: string): string => name.replace(/(?<=[a-z0-9])[A-Z]|(?<=[A-Z])[A-Z](?=[a-z])/g, '-$&').toLowerCase()

/** `chartwarden.access.v1.StaffService/Offboard` → `/v1/clinics/{clinic}/staff/offboard`; without the clinic where a call names none. */
const pathOf = ({ method, namesClinic }: MethodPlan): string => {
  const service = method.parent
  const version = service.typeName.split('.').at(-2)
  return `/${version}${namesClinic ? '/clinics/{clinic}' : ''}/${kebab(service.name.replace(/Service$/, ''))}/${kebab(method.name)}`
}

/** Methods that stream requests have no twin: a request of HTTP/1.1 has one body. */
const hasTwin = ({ methodKind }: DescMethod): boolean => methodKind === 'unary' || methodKind === 'server_streaming'

/** The routes of a service. Throws StartError for a method without a rule. */
export const twinsOf = (service: DescService, rules: MethodScopes): readonly Twin[] =>
  service.methods.filter(hasTwin).map((method) => {
    const plan = planMethod(method, rules)
    return { plan, path: pathOf(plan), streams: method.methodKind === 'server_streaming' }
  })
