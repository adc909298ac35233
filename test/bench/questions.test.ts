import t from 'tap'
import { drawQuestions, inBatches } from '../../bench/load/questions.ts'
import { createParetoDraw, seededRandom } from '../../bench/measure/pareto.ts'

const practice = { clinics: 200, people: 5, patients: 50, questions: 5_000 }

t.test('the largest fifth of the clinics asks two thirds of the questions, and every clinic can be drawn', (t) => {
  const draw = createParetoDraw(200, seededRandom(7))
  const counts = new Array<number>(200).fill(0)
  for (let index = 0; index < 200_000; index += 1) {
    const drawn = draw()
    counts[drawn] = (counts[drawn] as number) + 1
  }
  const ofTheLargest = counts.slice(0, 40).reduce((sum, count) => sum + count, 0) / 200_000
  t.ok(ofTheLargest > 0.66 && ofTheLargest < 0.71, `the largest fifth has ${ofTheLargest}`)
  t.ok(counts.every((count) => count > 0))
  t.end()
})

t.test('a draw stays in its range at both ends of chance', (t) => {
  t.equal(createParetoDraw(200, () => 0)(), 0)
  t.equal(createParetoDraw(200, () => 1 - Number.EPSILON)(), 199)
  t.equal(createParetoDraw(1, () => 0.5)(), 0)
  t.end()
})

t.test('questions are distinct, and the same for the same seed only', (t) => {
  const questions = drawQuestions(practice, 1)
  t.equal(new Set(questions.map((question) => JSON.stringify(question))).size, practice.questions)
  const [again, other] = [drawQuestions(practice, 1), drawQuestions(practice, 2)].map((drawn) => JSON.stringify(drawn))
  t.equal(again === JSON.stringify(questions), true)
  t.equal(other === JSON.stringify(questions), false)
  t.end()
})

t.test('a batch is of one clinic, and no question is lost or repeated', (t) => {
  const questions = drawQuestions(practice, 1)
  const { batches, rest } = inBatches(questions, 50)
  t.ok(batches.every((batch) => batch.length === 50 && new Set(batch.map(({ clinic }) => clinic)).size === 1))
  t.ok(rest.every((batch) => batch.length > 0 && batch.length < 50))
  const all = [...batches, ...rest].flat().map(({ record }) => record)
  t.equal(all.length, questions.length)
  t.equal(new Set(all).size, questions.length)
  t.end()
})
