import { readFileSync } from 'node:fs'
import { Validator } from '@seriousme/openapi-schema-validator'
import t from 'tap'
import { openApiExamples } from '../../scripts/openapi-examples.ts'
import { methodRules } from '../../services/kernel/scopes.ts'
import { openApiFile, readOpenApi, schemaFaults } from '../support/open-api.ts'

const document = readOpenApi()
const operations = Object.entries(document.paths).flatMap(([path, { post }]) => (post === undefined ? [] : [{ path, ...post }]))
const logRoutes = Object.entries(document.paths).flatMap(([path, { get }]) => (get === undefined ? [] : [{ path, ...get }]))

t.test('the document is OpenAPI 3.1, and one that is not is noticed', async (t) => {
  const text = readFileSync(openApiFile, 'utf8')
  const validator = new Validator()
  t.match(await validator.validate(JSON.parse(text)), { valid: true })
  t.equal(validator.version, '3.1')
  const broken = JSON.parse(text)
  broken.paths['/v1/clinic/list-clinics'].post.responses['200'] = { content: 7 }
  t.match(await new Validator().validate(broken), { valid: false }, 'twin')
})

const bothWays = ['chartwarden.access.v1.AccessService/CheckStream', 'chartwarden.audit.v1.AuditService/ImportLedger']

t.test('every method but those that stream requests has one operation, with the scope of the published table', async (t) => {
  const documented = new Map(operations.map((operation) => [operation['x-grpc-method'], operation['x-required-scope']]))
  const expected = Object.entries(methodRules)
    .filter(([name]) => !bothWays.includes(name))
    .map(([name, { scope }]) => [name, scope] as const)
  t.strictSame(new Map([...documented].sort()), new Map([...expected].sort()))
  t.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
})

t.test('the routes of logs are there, with the scope that they need', async (t) => {
  t.strictSame(
    logRoutes.map(({ path, 'x-required-scope': scope }) => [path, scope]),
    ['checkpoint', 'tile/{level}/{index}', 'tile/entries/{index}'].map((path) => [`/v1/clinics/{clinic}/log/${path}`, 'ledger.verify']),
  )
  const ids = [...operations, ...logRoutes].map(({ operationId }) => operationId)
  t.equal(new Set(ids).size, ids.length)
})

t.test('everything that is referred to is there, and every schema says what it means', async (t) => {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/([^"]+)"/g)]
  t.ok(references.length > 500)
  for (const [, kind, name] of references) {
    const found = (document.components as unknown as Record<string, Record<string, unknown>>)[kind as string]?.[name as string]
    t.ok(found, `${kind}/${name}`)
  }
  const silent = Object.entries(document.components.schemas).flatMap(([name, { properties = {} }]) =>
    Object.entries(properties as Record<string, { readonly description?: string }>)
      .filter(([, property]) => property.description === undefined)
      .map(([property]) => `${name}.${property}`),
  )
  t.strictSame(
    silent.filter((name) => name.startsWith('chartwarden.')),
    [],
  )
})

t.test('no message has a member by which a stream says that it failed', async (t) => {
  for (const [name, { properties = {} }] of Object.entries(document.components.schemas)) {
    if (name !== 'ProblemLine') t.notOk(Object.hasOwn(properties, 'problem'), name)
  }
})

t.test('every example is a request of its method; one with a member more is none', async (t) => {
  const faults = schemaFaults(document)
  const shown = operations.filter(({ requestBody }) => requestBody.content['application/json'].example !== undefined)
  t.equal(shown.length, Object.keys(openApiExamples).length)
  for (const { path, requestBody } of shown) {
    const { schema, example } = requestBody.content['application/json']
    const name = schema.$ref.replace('#/components/schemas/', '')
    t.equal(faults(name, example), undefined, path)
    t.ok(faults(name, { ...example, more: 1 }), `twin: ${path}`)
  }
})
