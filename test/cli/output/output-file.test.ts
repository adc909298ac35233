import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { write } from '../../../cli/io.ts'
import { createOutputFile } from '../../../cli/output/output-file.ts'
import { fault } from '../../support/fault.ts'

t.test('a file is in its place once it is whole, and not before', async (t) => {
  const directory = t.testdir()
  const target = path.join(directory, 'report.csv')
  const file = await createOutputFile(target, 'a')
  await write(file.stream, 'first\n')
  t.notOk(existsSync(target))
  await write(file.stream, 'last\n')
  await file.commit()
  t.equal(readFileSync(target, 'utf8'), 'first\nlast\n')
  t.same(readdirSync(directory), ['report.csv'])
  t.equal(statSync(target).mode & 0o077, 0, 'for its owner alone')
})

t.test('what is given up leaves what was there', async (t) => {
  const directory = t.testdir({ 'report.csv': 'of yesterday' })
  const target = path.join(directory, 'report.csv')
  const file = await createOutputFile(target, 'a')
  await write(file.stream, 'half')
  await file.abandon()
  await file.abandon()
  t.equal(readFileSync(target, 'utf8'), 'of yesterday')
  t.same(readdirSync(directory), ['report.csv'])
})

t.test('two commands that write one file do not mix; the later one stays', async (t) => {
  const directory = t.testdir()
  const target = path.join(directory, 'report.csv')
  const [first, second] = [await createOutputFile(target, 'a'), await createOutputFile(target, 'b')]
  await write(first.stream, 'first')
  await write(second.stream, 'second')
  await second.commit()
  await first.commit()
  t.equal(readFileSync(target, 'utf8'), 'first')
})

t.test('a link stays a link', { skip: process.platform === 'win32' }, async (t) => {
  const directory = t.testdir({ real: 'old' })
  symlinkSync(path.join(directory, 'real'), path.join(directory, 'link'))
  const file = await createOutputFile(path.join(directory, 'link'), 'a')
  await write(file.stream, 'new')
  await file.commit()
  t.equal(readFileSync(path.join(directory, 'real'), 'utf8'), 'new')
})

t.test('what is no file, or is nowhere, is refused before anything is written', async (t) => {
  const directory = t.testdir()
  mkdirSync(path.join(directory, 'folder'))
  for (const target of [path.join(directory, 'folder'), path.join(directory, 'missing', 'report.csv'), '/dev/null']) {
    await t.rejects(createOutputFile(target, 'a'), fault('INVALID_ARGUMENT'), target)
  }
  if (process.getuid?.() !== 0) {
    chmodSync(path.join(directory, 'folder'), 0o500)
    await t.rejects(createOutputFile(path.join(directory, 'folder', 'report.csv'), 'a'), fault('INVALID_ARGUMENT'))
  }
  t.same(readdirSync(directory), ['folder'])
})

t.test('a file that cannot be written whole is not put in its place, and whoever writes is told', async (t) => {
  const directory = t.testdir({ 'report.csv': 'of yesterday' })
  const target = path.join(directory, 'report.csv')
  const file = await createOutputFile(target, 'a')
  await write(file.stream, 'half')
  file.stream.destroy(Object.assign(new Error('no space'), { code: 'ENOSPC' }))
  await t.rejects(write(file.stream, 'more'), /no space/)
  await t.rejects(file.commit(), { name: 'OutputError', message: /ENOSPC.*nothing was put in its place/ })
  t.equal(readFileSync(target, 'utf8'), 'of yesterday')
  t.same(readdirSync(directory), ['report.csv'])
})
