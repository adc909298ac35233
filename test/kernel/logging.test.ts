import t from 'tap'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { createLogger, redactedNames } from '../../services/kernel/logging.ts'
import { logLines } from '../support/log-lines.ts'

t.test('a line has level, time and what was given', async (t) => {
  const { logger, lines } = logLines()
  logger.info({ event: 'call.answered', correlationId: 'c', count: 3, big: 7n }, 'answered')
  t.match(lines[0], { level: 'info', event: 'call.answered', correlationId: 'c', count: 3, msg: 'answered' })
  t.match(lines[0]?.['time'], /^\d{4}-\d\d-\d\dT.*Z$/)
})

t.test('every redacted name is redacted at every depth, in lists and in child loggers', async (t) => {
  const { logger, lines } = logLines()
  for (const name of redactedNames) {
    logger.info({ [name]: 'hunter2', a: { [name]: 'hunter2', b: { [name]: ['hunter2'], c: [{ [name]: { d: 'hunter2' } }] } } })
    logger.child({ [name]: 'hunter2' }).info({ event: 'x' })
  }
  t.equal(lines.length, redactedNames.length * 2)
  t.notMatch(JSON.stringify(lines), /hunter2/)
  t.match(lines[0], { a: { b: { c: [{ authorization: '[redacted]' }] } } }, 'what is around it stays')
})

t.test('the object that is logged is not changed', async (t) => {
  const { logger } = logLines()
  const line = { event: 'x', request: { token: 'T' } }
  logger.info(line)
  t.strictSame(line, { event: 'x', request: { token: 'T' } })
})

t.test('an error shows what went wrong and where, and no value it was about', async (t) => {
  const { logger, lines } = logLines()
  const driver = Object.assign(new Error('invalid input syntax for type uuid: "Erika Mustermann"'), {
    code: '22P02',
    detail: 'Key (patient)=(Erika Mustermann)',
    where: 'Erika Mustermann',
    query: 'select Erika Mustermann',
    table: 'entries',
  })
  let parser: unknown
  try {
    JSON.parse('{"name": "Erika Mustermann", "x": }')
  } catch (error) {
    parser = error
  }
  const url = new Error(
    'connect failed: postgres://admin:hunter2@db/c and https://user:hunter2@idp/ and kurrentdb+discover://user:hunter2@one',
  )
  logger.error({ event: 'a', err: new ChartwardenError('INTERNAL', { cause: driver }) }, 'failed')
  logger.error({ event: 'b', err: parser })
  logger.error({ event: 'c', nested: { problem: url } })
  logger.error(driver)
  logger.error({ event: 'e', err: 'Erika Mustermann was thrown' })
  t.notMatch(JSON.stringify(lines), /Mustermann|hunter2/)
  t.match(lines[0], {
    event: 'a',
    msg: 'failed',
    err: { reason: 'INTERNAL', stack: /^at .*logging\.test/, cause: { code: '22P02', table: 'entries' } },
  })
  t.match(lines[1], { err: { type: 'SyntaxError' } })
  t.match(lines[3], { err: { code: '22P02' } })
})

t.test('an error that causes itself is described once', async (t) => {
  const { logger, lines } = logLines()
  const error = new Error('round')
  error.cause = error
  logger.error({ event: 'x', err: error })
  t.equal(lines.length, 1)
})

t.test('less than the level is not written', async (t) => {
  const lines: string[] = []
  const logger = createLogger({ level: 'warn', destination: { write: (line) => void lines.push(line) } })
  logger.info({ event: 'a' })
  logger.warn({ event: 'b' })
  t.equal(lines.length, 1)
})
