import t from 'tap'
import { compileCondition } from '../../../../services/access/policy/conditions/compile.ts'
import { conditionLimits } from '../../../../services/access/policy/conditions/limits.ts'
import { compiled } from '../../../support/condition-facts.ts'

const refused: readonly (readonly [source: string, line: number, column: number, message: RegExp])[] = [
  ['', 1, 1, /ends where something must follow/],
  ['1 +', 1, 4, /ends where something must follow/],
  ['true true', 1, 6, /Unexpected/],
  ['subject.type == "open', 1, 17, /Unterminated string/],
  ['subject.type ==\n  "a" &&\n  foo', 3, 3, /there is no foo/],
  ['resource.status == "open"', 1, 10, /resource has no field "status"; resource has type, has_patient, own_record and properties/],
  ['subject.id == "x"', 1, 9, /subject has no field "id"/],
  ['action.type == "x"', 1, 8, /action has no field/],
  ['context.intent == "x"', 1, 9, /context has no field "intent"/],
  ['subject["id"] == "x"', 1, 1, /no field "id"/],
  ['int == 3', 1, 1, /there is no int/],
  ['google.protobuf.Timestamp == 3', 1, 1, /there is no google/],
  ['attribute_0 == 3', 1, 1, /there is no attribute_0/],
  ['__proto__ == 3', 1, 1, /Reserved identifier/],
  ['constructor == 3', 1, 1, /there is no constructor/],
  ['subject.type.shout()', 1, 1, /no function \.shout\(\)/],
  ['constructor(1)', 1, 1, /no function constructor\(\)/],
  ['subject.type.constructor()', 1, 1, /no function \.constructor\(\)/],
  ['to_int(3) == 3', 1, 1, /no function to_int/],
  ['context.time.in_zone("UTC") == context.time', 1, 1, /no function \.in_zone/],
  ['size() == 3', 1, 1, /size\(\) takes one value/],
  ['subject.type.startsWith()', 1, 1, /takes one value/],
  ['subject.type', 1, 1, /of type string, not true or false/],
  ['context.time', 1, 1, /of type timestamp/],
  ['resource.has_patient ? 1 : 2', 1, 1, /of type int/],
  ['subject.type == 3', 1, 9, /string == int/],
  ['"a" < 3 || true', 1, 1, /string < int/],
  ['context.time > "2026-11-22"', 1, 9, /timestamp > string/],
  ['"dentist" in subject.roles', 1, 22, /a condition cannot ask for roles/],
  ['["a"] == "dentist"', 1, 1, /list<string> == string/],
  ['3 in ["a"]', 1, 1, /int in list<string>/],
  ['subject.type && true', 1, 9, /bool operands/],
  ['int(context.purpose.size()) + "a" == 3', 1, 1, /int \+ string/],
  ['[1, "a"] == [1, 2]', 1, 5, /same type/],
  ['subject.type.field == 1', 1, 14, /Cannot index type/],
  ['["a"].all(1, true)', 1, 11, /variable/],
  ['["a"].exists(r, r)', 1, 17, /must return bool/],
  ['resource.properties == subject.properties', 1, 10, /resource\.properties stands only with the name of a property/],
  ['size(resource.properties) > 1', 1, 15, /stands only with the name/],
  ['resource.properties.exists(name, name == "a")', 1, 10, /stands only with the name/],
  ['resource.properties[subject.type] == 1', 1, 1, /written out/],
  ['resource.properties["a" + "b"] == 1', 1, 1, /written out/],
  ['subject.type in resource.properties', 1, 26, /stands only with the name/],
  ['[resource.properties] == []', 1, 11, /stands only/],
  ['resource.properties["a.b"] == 1', 1, 1, /whose name holds a dot cannot be named/],
  ['"a.b" in context', 1, 1, /whose name holds a dot cannot be named/],
  ['context == context', 1, 1, /context stands only with a field behind it/],
  ['has(context)', 1, 1, /has\(\) takes a field/],
  ['has(resource.properties)', 1, 14, /stands only/],
  ['has(resource.type)', 1, 14, /always there/],
  ['"time" in context', 1, 11, /always there/],
  ['context[context.caller] == 1', 1, 1, /written out/],
  ['subject.type.matches("^a")', 1, 1, /patterns are not offered/],
  ['duration(resource.properties.x) > duration("1h")', 1, 30, /a duration is written out/],
  ['duration("1 hour") > duration("1h")', 1, 10, /a duration is written out/],
  ['context.time > timestamp("tomorrow")', 1, 26, /RFC 3339/],
  ['context.time.getHours(subject.type) == 1', 1, 31, /a time zone is written out/],
  ['context.time.getHours("Mars/Olympus") == 1', 1, 23, /a time zone is written out/],
  ['1u == 1u', 1, 1, /unsigned numbers are not offered/],
  ['duration("1h").getHours("UTC") == 1', 1, 1, /duration\.get…\(string\)/],
  ['b"a" == b"a"', 1, 1, /bytes and unsigned/],
  ['{"a": 1} == {"a": 1}', 1, 1, /objects cannot be written/],
  ['99999999999999999999 > 1', 1, 1, /64 bits/],
  ['cel.bind(x, 1, x == 1)', 1, 1, /no function \.bind/],
  ['resource.properties.a / resource.properties.b > 1.0', 1, 45, /divide by a number other than zero/],
  ['1 / 0 == 1', 1, 5, /divide by a number other than zero/],
  ['1.0 / -0.0 == 1.0', 1, 7, /divide by a number other than zero/],
  ['resource.properties.?a == 1', 1, 21, /QUESTION/],
  ['"\ud800" == "a"', 1, 1, /half a character/],
]

const mistakes: readonly (readonly [source: string, line: number, column: number, message: RegExp])[] = [
  ['resource.properties.status = "open"', 1, 28, /write == to compare/],
  ['resource.properties.level === 3', 1, 29, /write ==; there is no ===/],
  ['resource.properties.level <> 3', 1, 27, /write != /],
  ['resource.has_patient and\n resource.own_record', 1, 22, /write &&; there is no operator "and"/],
  ['resource.has_patient\nOR resource.own_record', 2, 1, /write \|\|/],
  ['not resource.has_patient', 1, 1, /write !; /],
  ['resource.has_patient & resource.own_record', 1, 22, /write &&/],
  ['resource.has_patient | resource.own_record', 1, 22, /write \|\|/],
  ['(resource.has_patient && true', 1, 30, /^"\)" is missing at the end$/],
  ['size([1, 2) == 2', 1, 11, /^"\]" is expected here, not "\)"$/],
  ['resource.has_patient)', 1, 21, /this "\)" closes nothing/],
  ['subject.type == “staff”', 1, 17, /straight quotation marks/],
  ['subject.type == staff', 1, 17, /a text stands in quotation marks/],
  ['context.time > "2026-11-22"', 1, 9, /timestamp > string; a timestamp is written timestamp\("2026-11-22T08:00:00Z"\)/],
  ['"24h" < context.time - context.time', 1, 1, /a duration is written duration\("24h"\)/],
  ['resource.properties.x-ray-kind == "p"', 1, 23, /is written resource\.properties\["x-ray-kind"\]/],
  ['context.x-ray', 1, 11, /is written context\["x-ray"\]/],
  ['context.tme > timestamp(0)', 1, 9, /context\.tme is nearly context\.time; .* write context\["tme"\]/],
  ['has(context.itme)', 1, 13, /nearly context\.time/],
  ['context.Caller == "x"', 1, 9, /nearly context\.caller/],
  ['context.purposes == "TREAT"', 1, 9, /nearly context\.purpose/],
]

t.test('frequent mistakes are told as what to write instead', async (t) => {
  for (const [source, line, column, message] of mistakes)
    t.match(compileCondition(source), { kind: 'invalid', line, column, message }, source)
  for (const source of [
    'context["tme"] == 1',
    '"purposes" in context',
    'context.timeline == 1',
    'context.tame1 == 1',
    'context.place == "and = or"',
  ]) {
    t.equal(compileCondition(source).kind, 'condition', source)
  }
})

t.test('a condition that is not one is refused in one line, with the place of the fault', async (t) => {
  for (const [source, line, column, message] of refused) {
    const result = compileCondition(source)
    t.match(result, { kind: 'invalid', line, column, message }, JSON.stringify(source))
    if (result.kind === 'invalid') t.notMatch(result.message, /\n|google\.|Zone|attribute_\d\b(?!;)|element_\d/, result.message)
  }
})

const named: readonly (readonly [source: string, ...attributes: string[]])[] = [
  ['resource.has_patient'],
  [
    'subject.properties.b == 1 && resource.properties.a == 1 && action.properties.c == 1',
    'action.properties.c',
    'resource.properties.a',
    'subject.properties.b',
  ],
  ['resource.properties.a.b.c == 1', 'resource.properties.a'],
  ['has(resource.properties.a)', 'resource.properties.a'],
  ['has(resource.properties.a.b)', 'resource.properties.a'],
  ['"a" in resource.properties', 'resource.properties.a'],
  ['resource.properties["a-b"] == 1', 'resource.properties.a-b'],
  ['resource["properties"]["a"] == 1', 'resource.properties.a'],
  ['(resource.properties).a == 1', 'resource.properties.a'],
  ['context.place == "home" && context.caller == "x" && context.time > timestamp(0)', 'context.place'],
  ['"place" in context', 'context.place'],
  ['context["place"] == 1', 'context.place'],
  ['context.properties == 1', 'context.properties'],
  ['resource.properties.a == 1 || resource.properties.a == 2', 'resource.properties.a'],
  ['true || resource.properties.a == 1', 'resource.properties.a'],
  ['resource.properties.list[int(subject.properties.index)] == 1', 'resource.properties.list', 'subject.properties.index'],
  ['resource.properties.list.exists(resource, resource.properties.hidden == 1)', 'resource.properties.list'],
  ['resource.properties.list.exists(context, context == 1) && context.seen', 'context.seen', 'resource.properties.list'],
  ['resource.properties.list.exists(x, x == subject.properties.a)', 'resource.properties.list', 'subject.properties.a'],
  ['resource.properties.toString == 1', 'resource.properties.toString'],
]

t.test('a condition knows the attributes it names, whatever its loops call their variables', async (t) => {
  for (const [source, ...attributes] of named) t.strictSame(compiled(source).attributes, attributes, source)
})

t.test('a condition knows whether it depends on the moment', async (t) => {
  t.equal(compiled('context.time > timestamp("2026-01-01T00:00:00Z")').usesTime, true)
  t.equal(compiled('has(context.place) && context.time.getHours() > 3').usesTime, true)
  t.equal(compiled('timestamp(resource.properties.due) > timestamp("2026-01-01T00:00:00Z")').usesTime, false)
  t.equal(compiled('resource.properties.time == 1 && [1].exists(context, context == 1)').usesTime, false)
  t.equal(compiled(' resource.has_patient ').source, ' resource.has_patient ')
})

const tooMuch: readonly (readonly [what: string, source: string, message: RegExp])[] = [
  ['length', `true || ${'"x" == "y" || '.repeat(200)} false`, /at most 2,?000 characters/],
  ['nodes', Array.from({ length: 260 }, () => '1<2').join('||'), /maxAstNodes/],
  ['depth', `${'('.repeat(60)}true${')'.repeat(60)}`, /maxDepth/],
  ['unary operators', `${'!'.repeat(1_990)}true`, /maxAstNodes/],
  ['list', `1 in [${Array.from({ length: 257 }, () => '1').join(',')}]`, /maxListElements/],
  ['attributes', Array.from({ length: 33 }, (_, index) => `context.a${index}`).join('&&'), /more than 32 attributes/],
  ['additions', `1${'+1'.repeat(17)} == 18`, /more than 16 times/],
  ['constants', Array.from({ length: 17 }, (_, index) => `duration("${index}s")<duration("1h")`).join('||'), /more than 16 durations/],
  ['loops', '[1].all(a, [1].all(b, [1].all(c, [1].all(d, true))))', /at most 3 deep/],
  ['pattern', 'resource.properties.a.matches("(a+)+$")', /patterns are not offered/],
]

t.test('a condition that is too large is refused before anything of it runs', async (t) => {
  for (const [what, source, message] of tooMuch) t.match(compileCondition(source), { kind: 'invalid', message }, what)
  t.equal(compiled(Array.from({ length: 32 }, (_, index) => `context.a${index}`).join('&&')).attributes.length, 32)
  t.equal(compiled(`1${'+1'.repeat(16)} == 17`).evaluate({} as never), true)
  t.equal(compiled(`${'('.repeat(40)}true${')'.repeat(40)}`).evaluate({} as never), true)
  const long = `true ${' '.repeat(conditionLimits.sourceCharacters - 5)}`
  t.equal(compileCondition(long).kind, 'condition')
  t.equal(compileCondition(`${long} `).kind, 'invalid')
})
