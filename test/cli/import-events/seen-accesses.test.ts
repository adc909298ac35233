import fc from 'fast-check'
import t from 'tap'
import { createSeenAccesses } from '../../../cli/import-events/seen-accesses.ts'
import { uuidV5 } from '../../../services/kernel/ids.ts'

const namespace = '14a10772-6c7f-5842-91c0-e751e0302d6d'

t.test('it says of every id what a map says', async () => {
  const step = fc.record({ id: fc.nat({ max: 3000 }), content: fc.nat({ max: 1 }) })
  fc.assert(
    fc.property(fc.array(step, { minLength: 1000, maxLength: 4000 }), (steps) => {
      const seen = createSeenAccesses()
      const model = new Map<number, { readonly content: number; readonly line: number }>()
      return steps.every(({ id, content }, index) => {
        const found = seen.see(uuidV5(namespace, String(id)), Buffer.from([content]), index + 1)
        const known = model.get(id)
        if (known === undefined) model.set(id, { content, line: index + 1 })
        if (known === undefined) return found.kind === 'new'
        if (known.content === content) return found.kind === 'repeated'
        return found.kind === 'contradicts' && found.line === known.line
      })
    }),
    { numRuns: 10 },
  )
})
