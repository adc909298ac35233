import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { referencePages } from '../scripts/reference-pages.ts'

const root = path.resolve(import.meta.dirname, '..')
const pages = globSync(['*.md', 'docs/**/*.md'], { cwd: root })

t.test('every relative link leads to a file of this repository', async (t) => {
  t.ok(pages.includes('README.md'))
  for (const page of pages) {
    for (const [, target = ''] of readFileSync(path.join(root, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)) {
      t.ok(existsSync(path.resolve(root, path.dirname(page), target)), `${page}: ${target}`)
    }
  }
})

t.test('every page of the documentation can be reached from its index', async (t) => {
  const index = readFileSync(path.join(root, 'docs/README.md'), 'utf8')
  for (const page of pages) {
    const name = path.posix.relative('docs', page.replaceAll('\\', '/'))
    if (name.startsWith('..') || name === 'README.md') continue
    t.ok(index.includes(`(${name})`), page)
  }
})

t.test('the generated pages repeat the code as it is now', async (t) => {
  for (const [name, text] of referencePages()) {
    t.equal(readFileSync(path.join(root, 'docs/reference', name), 'utf8'), text, name)
  }
})

t.test('the README fits one screen', async (t) => {
  const lines = readFileSync(path.join(root, 'README.md'), 'utf8').split('\n')
  t.ok(lines.length <= 60, `${lines.length} lines`)
})
