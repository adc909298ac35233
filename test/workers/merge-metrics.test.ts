import t from 'tap'
import { mergeMetrics } from '../../services/workers/merge-metrics.ts'

const first = `# HELP answers_total Answers.
# UNIT answers_total {answer}
# TYPE answers_total counter
answers_total{decision="permit"} 3
answers_total{decision="deny"} 1
# HELP took_seconds How long, e.g. {"a b"}.
# TYPE took_seconds histogram
took_seconds_count 2
took_seconds_bucket{le="+Inf"} 2
`

const second = `# HELP took_seconds How long, e.g. {"a b"}.
# TYPE took_seconds histogram
took_seconds_count 5
# HELP ready 1 if ready.
# TYPE ready gauge
ready 1
`

t.test('series of all processes stand under one heading each, told apart by their worker', async (t) => {
  const merged = mergeMetrics([
    { worker: 'background', text: first },
    { worker: '1', text: second },
  ])
  t.equal(
    merged,
    `# HELP answers_total Answers.
# UNIT answers_total {answer}
# TYPE answers_total counter
answers_total{worker="background",decision="permit"} 3
answers_total{worker="background",decision="deny"} 1
# HELP took_seconds How long, e.g. {"a b"}.
# TYPE took_seconds histogram
took_seconds_count{worker="background"} 2
took_seconds_bucket{worker="background",le="+Inf"} 2
took_seconds_count{worker="1"} 5
# HELP ready 1 if ready.
# TYPE ready gauge
ready{worker="1"} 1
`,
  )
})

t.test('a label value with blanks and braces is left as it is', async (t) => {
  const text = '# TYPE info gauge\ninfo{note="a {b} c"} 1\n'
  t.match(mergeMetrics([{ worker: '2', text }]), '\ninfo{worker="2",note="a {b} c"} 1\n')
})

t.test('nothing counted is an empty page', async (t) => {
  t.equal(mergeMetrics([]), '')
  t.equal(mergeMetrics([{ worker: '1', text: '\n' }]), '')
})
