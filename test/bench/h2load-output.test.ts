import t from 'tap'
import { readLatencies, readSummary } from '../../bench/measure/h2load-output.ts'

const output = `starting benchmark...
spawning thread #0: 4 total client(s). 2048 total requests
Application protocol: h2c
progress: 100% done

finished in 601.52ms, 3404.69 req/s, 1.05MB/s
requests: 2048 total, 2048 started, 2048 done, 2047 succeeded, 1 failed, 0 errored, 0 timeout
status codes: 2047 2xx, 0 3xx, 0 4xx, 1 5xx
traffic: 647.07KB (662600) total, 20.38KB (20870) headers (space savings 93.45%), 524.00KB (536576) data
                     min         max         mean         sd        +/- sd
time for request:     5.12ms    203.28ms     36.51ms     29.20ms    91.41%
`

t.test('a summary tells what succeeded, how long it took and how much came back', (t) => {
  const { seconds, ...counts } = readSummary(output)
  t.same(counts, { requested: 2_048, succeeded: 2_047, dataBytes: 536_576 })
  t.ok(Math.abs(seconds - 0.60152) < 1e-9)
  t.end()
})

t.test('a summary is read in each of the units that h2load prints', (t) => {
  const secondsOf = (time: string): number => readSummary(output.replace('601.52ms', time)).seconds
  t.equal(secondsOf('12.50s'), 12.5)
  t.equal(secondsOf('1.50m'), 90)
  t.equal(secondsOf('250us'), 0.00025)
  t.equal(readSummary(output.replace('524.00KB (536576)', '87B (87)')).dataBytes, 87)
  t.end()
})

t.test('what is not the summary of a finished run is refused, not read as zero', (t) => {
  t.throws(() => readSummary(''), /no line "finished in"/)
  t.throws(() => readSummary(output.replace(/^requests:.*$/m, '')), /no line "requests"/)
  t.throws(() => readSummary(output.replace(/^traffic:.*$/m, '')), /no line "traffic"/)
  t.throws(() => readSummary(output.replace('601.52ms', 'ages')), /a time that is none/)
  t.end()
})

t.test('latencies are those of successful requests, in milliseconds', (t) => {
  t.same(readLatencies('1700000000000000\t200\t1500\n1700000000000100\t503\t90\n1700000000000200\t200\t26100\n'), [1.5, 26.1])
  t.same(readLatencies(''), [])
  t.throws(() => readLatencies('1700000000000000\t200\tsoon\n'), /not a line/)
  t.throws(() => readLatencies('nothing\n'), /not a line/)
  t.end()
})
