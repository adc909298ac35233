/** The committed OpenAPI document, and validators of its schemas that take no member they do not know. */
import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

export interface Operation {
  readonly operationId: string
  readonly 'x-grpc-method': string
  readonly 'x-required-scope': string
  readonly requestBody: {
    readonly required: boolean
    readonly content: { readonly 'application/json': { readonly schema: Reference; readonly example?: object } }
  }
  readonly responses: Readonly<
    Record<string, { readonly $ref?: string; readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >
}

/** A route of a log: it has no body and is no method of the contract. */
type GetOperation = Omit<Operation, 'x-grpc-method' | 'requestBody'>

interface Reference {
  readonly $ref: string
}

export interface OpenApi {
  readonly paths: Readonly<Record<string, { readonly post?: Operation; readonly get?: GetOperation }>>
  readonly components: {
    readonly schemas: Readonly<Record<string, { readonly type: string; readonly properties?: object }>>
    readonly responses: Readonly<Record<string, object>>
    readonly parameters: Readonly<Record<string, object>>
  }
}

export const openApiFile = new URL('../../proto/openapi.json', import.meta.url)

export const readOpenApi = (): OpenApi => JSON.parse(readFileSync(openApiFile, 'utf8')) as OpenApi

/** Says what is wrong with a value by one of the document's schemas; undefined: nothing. */
export const schemaFaults = ({ components }: OpenApi) => {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  ;(addFormats as unknown as (ajv: Ajv2020) => void)(ajv)
  for (const format of ['int32', 'int64', 'uint64', 'double', 'float']) ajv.addFormat(format, true)
  const schemas = Object.fromEntries(
    Object.entries(components.schemas).map(([name, schema]) => [
      name,
      schema.properties === undefined ? schema : { ...schema, additionalProperties: false },
    ]),
  )
  ajv.addSchema({ $id: 'document', components: { ...components, schemas } })
  return (schema: string, value: unknown): string | undefined => {
    const validate = ajv.getSchema(`document#/components/schemas/${schema}`)
    if (validate === undefined) return `no schema ${schema}`
    return validate(value) === true ? undefined : ajv.errorsText(validate.errors)
  }
}
