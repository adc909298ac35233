/** One model in every form: whatever valid roles there are, a table, a YAML file and the API give back exactly these. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import t from 'tap'
import { RoleSchema } from '../../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { builtinRoles } from '../../../../services/access/policy/builtin/builtin-roles.ts'
import { roleTable } from '../../../../services/access/policy/export/role-table.ts'
import { roleYaml } from '../../../../services/access/policy/export/role-yaml.ts'
import { importRoles } from '../../../../services/access/policy/import/import-roles.ts'
import { definitionOf } from '../../../../services/access/policy/role-draft.ts'
import { roleDraftOf, roleMessage } from '../../../../services/access/policy/role-message.ts'
import type { RoleDefinition } from '../../../../services/access/policy/roles.ts'
import { validateRole } from '../../../../services/access/policy/validate-role.ts'
import { canonicalJson, type JsonValue } from '../../../../services/kernel/canonical-json.ts'
import { arbitraryRoles } from '../../../support/arbitrary-roles.ts'

type Roles = readonly RoleDefinition[]

const reread = (text: string, format: string): Roles => {
  const result = importRoles({ roles: text })
  if (result.kind === 'problems') throw new Error(`${JSON.stringify(result.problems)}\n${text}`)
  if (result.format !== format) throw new Error(`read as ${result.format}\n${text}`)
  return result.roles
}

const ways: Readonly<Record<string, (roles: Roles) => Roles>> = {
  'a table': (roles) => reread(roleTable(roles), 'table'),
  'a YAML file': (roles) => reread(roleYaml(roles), 'yaml'),
  'messages of the API': (roles) =>
    roles.map((role) => definitionOf(roleDraftOf(fromBinary(RoleSchema, toBinary(RoleSchema, create(RoleSchema, roleMessage(role))))))),
}

const same = (left: Roles, right: Roles) => canonicalJson(left as unknown as JsonValue) === canonicalJson(right as unknown as JsonValue)

t.test('the roles that are generated are valid, so that the properties below speak of roles a clinic can have', async () => {
  fc.assert(
    fc.property(arbitraryRoles, (roles) => {
      for (const role of roles) {
        const [violation] = validateRole(role)
        if (violation !== undefined) throw new Error(`${violation.field}: ${violation.description}`)
      }
    }),
    { numRuns: 200 },
  )
})

for (const [way, through] of Object.entries(ways)) {
  t.test(`${way} gives back exactly the roles that went in`, async (t) => {
    t.strictSame(through(builtinRoles()), builtinRoles(), 'the built-in ones')
    fc.assert(
      fc.property(arbitraryRoles, (roles) => same(through(roles), roles)),
      { numRuns: 500 },
    )
  })
}

t.test('no cell of a table begins like a formula, whatever the roles say', async () => {
  fc.assert(
    fc.property(arbitraryRoles, (roles) => {
      for (const row of parse(roleTable(roles)) as string[][]) {
        for (const cell of row) if (/^(?:[\t\r\n]|\s*[=+\-@＝＋－＠])/u.test(cell)) throw new Error(`a formula: ${JSON.stringify(cell)}`)
      }
    }),
    { numRuns: 500 },
  )
})
