/** Random sets of valid roles for property tests, with every kind of text that a field may hold. */
import fc from 'fast-check'
import type { Bound, Confidentiality, Permission } from '../../services/access/events.ts'
import { isPlainText } from '../../services/access/policy/names.ts'
import type { RoleDefinition } from '../../services/access/policy/roles.ts'

/** What is special to CSV, YAML or a spreadsheet, among ordinary text. */
const special = fc.constantFrom(
  ...`=+-@＝'",;|:#&*!?%{}[]()<>\\~\``,
  ' ',
  'no',
  'null',
  '1e3',
  '007',
  '- ',
  ': ',
  ' #',
  '\\n',
  'ä',
  '牙',
  '🦷',
)
const text = (maxLength: number) =>
  fc
    .oneof(
      fc.array(special, { minLength: 1, maxLength: 8 }).map((parts) => parts.join('')),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
      fc.constantFrom(
        'no',
        'yes',
        'null',
        '~',
        'true',
        '1',
        '0x1f',
        '1_000',
        '12:30:45',
        '2026-11-22',
        '<<',
        '=1+1',
        "'=1",
        "''=1",
        '|',
        '>',
      ),
    )
    .filter((candidate) => isPlainText(candidate) && [...candidate].length <= maxLength)

const roleName = fc.oneof(fc.constantFrom('no', 'null', 'true', 'on', '1', 'dentist', 'reader'), fc.stringMatching(/^[a-z0-9_]{1,10}$/))
const name = fc.oneof(
  fc.constantFrom('imaging', 'no', '1', 'patients/appt', 'a:b', 'can_read_todos'),
  fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,10}$/),
)
const orAll = (names: fc.Arbitrary<string[]>) => fc.oneof({ weight: 4, arbitrary: names }, fc.constant(['*']))

const bound: fc.Arbitrary<Bound> = fc.oneof(
  fc.constantFrom<Bound>({ kind: 'own_patients', codes: [] }, { kind: 'shared', codes: [] }),
  fc.record({
    kind: fc.constantFrom('fields', 'status_only', 'no', 'A1'),
    codes: fc.uniqueArray(text(128), { maxLength: 3 }),
  }),
)

/** A text literal of CEL is one of JSON, where the text is plain. */
const condition = fc.oneof(
  fc.constantFrom(
    'resource.properties.status == "final"',
    'true\n  && subject.type == "staff"\n',
    '-1 < 0',
    '\ttrue',
    ' true ',
    'true // who: "x", y',
    '[1, 2].exists(n, n == 2)',
    'true\r\n&& true',
  ),
  text(40).map((literal) => `${JSON.stringify(literal)} != ""`),
)

const permission: fc.Arbitrary<Permission> = fc
  .record({
    id: fc.oneof(fc.constantFrom('*.*', '1', 'no', 'a+b~2'), fc.stringMatching(/^[A-Za-z0-9*][A-Za-z0-9_.:/*+~-]{0,10}$/)),
    resource_type: fc.oneof({ weight: 4, arbitrary: name }, fc.constant('*')),
    actions: orAll(fc.uniqueArray(name, { minLength: 1, maxLength: 3 })),
    effect: fc.constantFrom('permit', 'limited', 'forbid'),
    bounds: fc.uniqueArray(bound, { minLength: 1, maxLength: 3, selector: ({ kind }) => kind }),
    purposes: fc.uniqueArray(fc.constantFrom('TREAT', 'BTG', 'HPAYMT', 'COC'), { maxLength: 3 }),
    condition: fc.option(condition, { nil: undefined }),
  })
  .map(
    ({ condition: source, ...rest }): Permission => ({
      ...rest,
      effect: rest.effect as Permission['effect'],
      bounds: rest.effect === 'limited' ? rest.bounds : [],
      ...(source === undefined ? {} : { condition: source }),
    }),
  )

const clearance = fc
  .record({
    confidentiality: fc.constantFrom<Confidentiality>('U', 'L', 'M', 'N', 'R', 'V'),
    sensitivities: orAll(fc.uniqueArray(fc.constantFrom('HIV', 'PSY', 'EMP', 'VIP'), { maxLength: 3 })),
  })
  .map((given) => (given.confidentiality === 'N' && given.sensitivities.length === 0 ? undefined : given))

const role: fc.Arbitrary<RoleDefinition> = fc
  .record({
    role: roleName,
    title: text(200),
    inherits: fc.uniqueArray(roleName, { maxLength: 2 }),
    permissions: fc.uniqueArray(permission, { maxLength: 4, selector: ({ id }) => id }),
    clearance: fc.option(clearance, { nil: undefined }),
  })
  .map(({ clearance: given, ...rest }) => ({ ...rest, ...(given === undefined ? {} : { clearance: given }) }))

/** Each valid in itself, under different names. */
export const arbitraryRoles: fc.Arbitrary<readonly RoleDefinition[]> = fc.uniqueArray(role, {
  minLength: 1,
  maxLength: 4,
  selector: ({ role: named }) => named,
})
