/** The short form of `npm run test:faults`: a real service and a real Postgres are broken in every way there is, and every answer is accounted for. */
import path from 'node:path'
import t, { type Test } from 'tap'
import { seededRandom } from '../../bench/measure/pareto.ts'
import type { Scenario, ScenarioOptions, ScenarioResult } from './scenario.ts'
import { clocks } from './scenarios/clocks.ts'
import { cut } from './scenarios/cut.ts'
import { diskFull } from './scenarios/disk-full.ts'
import { kills } from './scenarios/kills.ts'
import { overflow } from './scenarios/overflow.ts'
import { paused } from './scenarios/paused.ts'
import { restored } from './scenarios/restored.ts'
import { slowProjections } from './scenarios/slow-projections.ts'
import { withScratch } from './scratch.ts'

t.setTimeout(600_000)

const seed = Math.floor(Math.random() * 1_000_000)

const run = (scenario: Scenario, over: Partial<ScenarioOptions> = {}): Promise<ScenarioResult> =>
  withScratch((scratch) => scenario.run({ scratch, rounds: 3, pauseMs: 1_500, random: seededRandom(seed), ...over }))

/** What must hold whatever was broken; says what was seen. */
const holds = async (t: Test, scenario: Scenario, over: Partial<ScenarioOptions> = {}): Promise<void> => {
  const unable = scenario.unable?.()
  if (unable !== undefined) return void t.pass('not run here', { skip: unable })
  const { accounted, moments, problems, seen } = await run(scenario, over)
  t.same(problems, [], `seed ${seed}: ${JSON.stringify(accounted)}`)
  t.ok(
    moments.every(({ recoveryMs }) => recoveryMs < 60_000),
    `answers again: ${JSON.stringify(moments)}`,
  )
  t.comment([...seen].join(' '))
}

t.test('kill -9 of the service, of Postgres and of both: nothing that was answered is lost, and nothing is done by hand', (t) =>
  holds(t, kills, { rounds: 4 }),
)

t.test('sabotage: a service that answers before it stores is noticed by the first kill', async (t) => {
  const program = [path.join(import.meta.dirname, 'altered-service.ts'), 'answering-first']
  const { accounted, problems } = await run(kills, { rounds: 1, program })
  t.ok(accounted.lost > 0, `${accounted.lost} of ${accounted.answered} answers are lost`)
  t.ok(accounted.permitsNotDurable > 0)
  t.ok(problems.length > 0)
})

t.test('a full disk: no answer that is not stored, and room is all that is needed', (t) => holds(t, diskFull))

t.test('a database that stands still', (t) => holds(t, paused))

t.test('connections that are cut', (t) => holds(t, cut))

t.test('clocks that jump forward and back', (t) => holds(t, clocks))

t.test('more calls than may wait', (t) => holds(t, overflow))

t.test('read models that stand still', (t) => holds(t, slowProjections))

t.test('a ledger that goes back answers nobody, and goes on when it is whole', (t) => holds(t, restored))
