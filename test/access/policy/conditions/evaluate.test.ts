/** What compiled conditions answer. */
import t from 'tap'
import { conditionLimits } from '../../../../services/access/policy/conditions/limits.ts'
import { compiled, conditionFacts, evaluated, type StatedFacts } from '../../../support/condition-facts.ts'

const resource = {
  status: 'open',
  level: 3,
  half: 2.5,
  zero: 0,
  huge: 1e300,
  nothing: null,
  flag: true,
  number: '42',
  due: '2026-11-22T08:00:00+01:00',
  tags: ['x', 'y'],
  mixed: ['x', 1, null, ['z']],
  codes: [{ code: 'a', level: 1 }, { code: 'b' }],
  nested: { deep: { value: 1 } },
  empty: '',
  'x-ray': 'panoramic',
}

const holds = [
  'resource.properties.status == "open"',
  'resource.properties.status != "held"',
  'resource.properties.level >= 3',
  'resource.properties.level == 3',
  '3 == resource.properties.level',
  'resource.properties.level != 4',
  'resource.properties.level in [1, 2, 3]',
  'resource.properties.half > 2 && resource.properties.half < 3 && resource.properties.half == 2.5',
  'resource.properties.half in [1.5, 2.5]',
  'resource.properties.level == 3.0',
  'resource.properties.level + 1.0 == 4.0',
  'int(resource.properties.level) % 2 == 1',
  'int(resource.properties.half) == 2',
  'int(resource.properties.number) == 42 && double(resource.properties.number) == 42.0',
  'resource.properties.status == 3 == false',
  'resource.properties.number == 42 == false',
  'resource.properties.nothing == null',
  'has(resource.properties.nothing)',
  'resource.properties.flag',
  'resource.properties.nested.deep.value == 1',
  'resource.properties.nested == resource.properties.nested',
  'has(resource.properties.nested.deep) && !has(resource.properties.nested.other)',
  'resource.properties["x-ray"] == "panoramic"',
  '"x-ray" in resource.properties && !("y-ray" in resource.properties)',
  '"deep" in resource.properties.nested',
  '"x" in resource.properties.tags && 1 in resource.properties.mixed && null in resource.properties.mixed',
  'resource.properties.tags == ["x", "y"]',
  'resource.properties.tags[0] == "x"',
  'resource.properties.tags.exists(tag, tag == "y") && resource.properties.tags.all(tag, tag.size() == 1)',
  'resource.properties.tags.exists_one(tag, tag == "y")',
  'resource.properties.tags.filter(tag, tag > "x") == ["y"]',
  'resource.properties.tags.map(tag, tag + "!") == ["x!", "y!"]',
  'resource.properties.tags.map(tag, tag > "x", tag + "!") == ["y!"]',
  'resource.properties.codes.exists(code, code.code == "b")',
  'resource.properties.codes.exists(a, resource.properties.tags.exists(b, a != b))',
  'resource.properties.nested.exists(name, name == "deep")',
  '[1, 2].all(a, [3, 4].all(a, a > 2)) && [1].exists(a, [a].exists(b, a == b))',
  'subject.type == "staff" && resource.type == "imaging" && action.name == "read"',
  'resource.has_patient && !resource.own_record',
  'context.caller == "practice-software" && context.purpose == "TREAT"',
  'context.place == "home" && action.properties.soft == true',
  'context.time == timestamp("2026-11-22T10:30:00Z")',
  'context.time > timestamp(resource.properties.due)',
  'context.time - timestamp(resource.properties.due) == duration("3h30m")',
  'context.time + duration("-30m") == timestamp("2026-11-22T10:00:00Z")',
  'context.time.getHours() == 10 && context.time.getHours("Europe/Berlin") == 11 && context.time.getHours("+02:00") == 12',
  'context.time.getDayOfWeek("Europe/Berlin") == 0 && context.time.getDayOfYear("UTC") == 325',
  'int(context.time) == 1795343400',
  'timestamp(int(context.time)) == context.time',
  'string(3) == "3" && bool("true") && string(resource.properties.level) == "3"',
  'resource.properties.status.startsWith("op") && resource.properties.status.endsWith("en") && resource.properties.status.contains("pe")',
  'size(resource.properties.status) == 4 && size("😀") == 1 && resource.properties.empty == ""',
  '-(1 - 2) == 1 && 7 - (3 - 2) == 6 && (7 - 3) - 2 == 2 && 2 * (3 + 4) == 14 && 7 / 2 == 3 && -7 % 3 == -1',
  '(true ? 1 : 2) == 1 && (false ? true : true) && !(true && false) && (true || false && false)',
  '1.0 == 1.0 && 1e21 > 5e-324 && 0x10 == 16 && 10.0 / 4.0 == 2.5',
  '"a\\n\\t\\"\\\\\\u00e4" == \'a\\n\\t"\\\\ä\' && r"\\d" == "\\\\d"',
  'resource.properties.missing == 1 || true',
  'true || resource.properties.missing == 1',
  '!(resource.properties.missing == 1 && false)',
  '!has(resource.properties.missing) || resource.properties.missing == 1',
  'true // resource.properties.missing',
]

const stated: StatedFacts = { resource, context: { place: 'home' }, action: { soft: true } }

t.test('conditions hold as CEL says, over what JSON can state', async (t) => {
  for (const source of holds) {
    t.equal(evaluated(source, stated), true, source)
    t.equal(evaluated(`!(${source.split(' // ')[0]})`, stated), false, `not ${source}`)
  }
})

const errs: readonly (readonly [source: string, error: RegExp])[] = [
  ['resource.properties.missing == 3', /^line 1, column 21: resource\.properties\.missing is not stated$/],
  ['true &&\n  context.missing', /^line 2, column 11: context\.missing is not stated$/],
  ['resource.properties["y-ray"] == 1', /resource\.properties\.y-ray is not stated/],
  ['resource.properties.nothing >= 3', /resource\.properties\.nothing is not of a kind/],
  ['resource.properties.nested.deep.other == 1', /resource\.properties\.nested\.deep\.other is not there/],
  ['resource.properties.nothing.deep == 1', /resource\.properties\.nothing\.deep is not there/],
  ['resource.properties.status.deep == 1', /resource\.properties\.status\.deep is not there/],
  ['resource.properties.status >= 3', /resource\.properties\.status is not of a kind/],
  ['resource.properties.level + 1 > 3', /resource\.properties\.level is not of a kind/],
  ['resource.properties.level > subject.properties.rank', /subject\.properties\.rank is not stated/],
  ['resource.properties.tags > resource.properties.codes', /resource\.properties\.tags or resource\.properties\.codes is not of a kind/],
  ['resource.properties.status', /^it gives neither true nor false$/],
  ['resource.properties.nothing', /^it gives neither true nor false$/],
  ['resource.properties.status && true', /resource\.properties\.status is neither true nor false/],
  ['!resource.properties.status', /resource\.properties\.status is not of a kind/],
  ['resource.properties.level ? true : false', /resource\.properties\.level is neither true nor false/],
  ['10 / int(resource.properties.zero) == 1', /division by zero, with resource\.properties\.zero/],
  ['10 % int(resource.properties.zero) == 1', /division by zero/],
  ['9223372036854775807 + 1 > 0', /a number beyond 64 bits/],
  ['9223372036854775807 * 9223372036854775807 > 0', /a number beyond 64 bits/],
  ['int(resource.properties.huge) > 1', /resource\.properties\.huge cannot be converted/],
  ['int(resource.properties.status) > 1', /resource\.properties\.status cannot be converted/],
  ['int(resource.properties.empty) == 0', /resource\.properties\.empty cannot be converted/],
  ['double(resource.properties.status) > 1.0', /cannot be converted/],
  ['bool(resource.properties.status)', /cannot be converted/],
  ['timestamp(resource.properties.status) > context.time', /cannot be converted/],
  ['timestamp(resource.properties.level) > context.time', /resource\.properties\.level is not of a kind/],
  ['resource.properties.tags[7] == "x"', /resource\.properties\.tags has fewer elements/],
  ['resource.properties.tags[-1] == "x"', /resource\.properties\.tags has fewer elements/],
  ['resource.properties.status.exists(c, c == "o")', /resource\.properties\.status is no list/],
  ['resource.properties.codes.exists(code, code.level > 1)', /level of an element of resource\.properties\.codes is not there/],
  ['resource.properties.tags.exists(tag, tag > 3)', /an element of resource\.properties\.tags is not of a kind/],
  ['size(resource.properties.level) == 1', /resource\.properties\.level is not of a kind/],
  ['resource.properties.level.startsWith("3")', /resource\.properties\.level is not of a kind/],
  ['resource.properties.missing == 1 && resource.properties.status == "open"', /missing is not stated/],
  ['resource.properties.missing == 1 || resource.properties.status == "held"', /missing is not stated/],
]

t.test('what cannot be evaluated is an error that names the attribute and the place, and no value', async (t) => {
  for (const [source, error] of errs) {
    const result = evaluated(source, stated)
    t.match(result, { error }, source)
    t.notMatch(typeof result === 'object' && result.error, /open|panoramic|attribute_|element_\d|\n|1e\+?300/, source)
  }
})

const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', 'size', 'get', 'length']

t.test('names that every JavaScript object has lead nowhere unless they are stated', async (t) => {
  for (const name of names) {
    const properties = JSON.parse(`{"inner": {"other": 1}, "list": [], "text": ""}`) as object
    t.equal(evaluated(`has(resource.properties.${name})`, { resource: properties }), false, name)
    t.equal(evaluated(`"${name}" in context`, { context: properties }), false, name)
    t.equal(evaluated(`has(resource.properties.inner.${name})`, { resource: properties }), false, name)
    t.equal(evaluated(`"${name}" in resource.properties.inner`, { resource: properties }), false, name)
    for (const path of [name, `inner.${name}`, `list.${name}`, `text.${name}`]) {
      t.match(evaluated(`resource.properties.${path} == 1`, { resource: properties }), { error: /is not stated|is not there|fewer/ }, path)
    }
    const own = JSON.parse(`{"inner": {"${name}": "own"}}`) as object
    t.equal(evaluated(`resource.properties.inner.${name} == "own"`, { resource: own }), true, `own ${name}`)
    const facts = conditionFacts()
    const stating = { ...facts, resource: { ...facts.resource, properties: JSON.parse(`{"${name}": "own"}`) as Record<string, string> } }
    t.equal(compiled(`resource.properties.${name} == "own"`).evaluate(stating), true, `own ${name}`)
  }
  const polluted = JSON.parse('{"inner": {"__proto__": {"admin": true}, "constructor": {"prototype": {"admin": true}}}}') as object
  t.equal(evaluated('has(resource.properties.inner.admin)', { resource: polluted }), false)
  t.equal(evaluated('resource.properties.inner.constructor.prototype.admin', { resource: polluted }), true)
})

const pile = (depth: number): unknown => (depth === 0 ? 1 : [pile(depth - 1)])

const unusable: Readonly<Record<string, unknown>> = {
  'a long text': 'x'.repeat(conditionLimits.attributeWeight),
  'a long list': Array.from({ length: 65 }, () => 1),
  'a large object': Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, 1])),
  'many long texts': Array.from({ length: 60 }, () => 'x'.repeat(150)),
  'long names': { ['x'.repeat(conditionLimits.attributeWeight)]: 1 },
  'a deep list': pile(5),
  'a very deep list': pile(4_000),
  'a number without end': Number.POSITIVE_INFINITY,
  'no number': Number.NaN,
  'a date': new Date(),
  'a function': () => true,
  'a big integer': 3n,
  'a symbol': Symbol('x'),
}

t.test('a value that is too large or too deep is an error that names its attribute, unless nobody reads it', async (t) => {
  for (const [what, value] of Object.entries(unusable)) {
    t.match(
      evaluated('resource.properties.x == 1', { resource: { x: value } }),
      { error: /resource\.properties\.x is too large or too deep/ },
      what,
    )
    t.equal(evaluated('has(resource.properties.x)', { resource: { x: value } }), true, what)
    t.equal(evaluated('resource.has_patient || resource.properties.x == 1', { resource: { x: value } }), true, what)
  }
  t.equal(evaluated('resource.properties.x.size() > 8000', { resource: { x: 'x'.repeat(8_190) } }), true)
  t.equal(evaluated('resource.properties.x.size() == 64', { resource: { x: Array.from({ length: 64 }, () => 1) } }), true)
  t.equal(evaluated('resource.properties.x[0][0][0] == [1]', { resource: { x: pile(4) } }), true)
})

t.test('facts that are no facts at all are an error, never a throw', async (t) => {
  const trap = new Proxy(
    {},
    {
      get: () => {
        throw new Error('trapped')
      },
      getOwnPropertyDescriptor: () => {
        throw new Error('trapped')
      },
    },
  )
  for (const facts of [undefined, null, 3, {}, trap, { subject: trap, resource: { properties: trap }, action: null, context: [] }]) {
    for (const source of [
      'resource.properties.a == 1',
      'subject.type == "staff"',
      'context.time.getHours() == 1',
      '"x" in subject.properties.a',
    ]) {
      t.match(compiled(source).evaluate(facts as never), { error: String }, source)
    }
    t.doesNotThrow(() => compiled('has(context.x)').evaluate(facts as never))
  }
})

t.test('an evaluation changes nothing of the facts', async (t) => {
  const facts = conditionFacts(stated)
  const before = structuredClone(facts)
  for (const source of holds) compiled(source).evaluate(facts)
  t.strictSame(facts, before)
  t.equal(Error.stackTraceLimit > 0, true, 'nor of the process')
})
