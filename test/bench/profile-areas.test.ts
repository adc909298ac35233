import t from 'tap'
import { sharesOf } from '../../bench/profile-areas.ts'

const node = (id: number, functionName: string, url: string, children: readonly number[] = []) => ({
  id,
  callFrame: { functionName, url },
  children,
})

t.test('a sample counts for the innermost frame that an area claims, within the time asked for, idle time for none', async (t) => {
  const nodes = [
    node(1, '(root)', '', [2, 6, 7]),
    node(2, 'answer', 'file:///app/services/access/check.ts', [3, 5]),
    node(3, 'seal', 'file:///app/services/audit/vault/create-vault.ts', [4]),
    node(4, 'map', 'node:internal/util'),
    node(5, 'decide', 'file:///app/services/access/decide.ts'),
    node(6, '(idle)', ''),
    node(7, 'unclaimed', 'file:///elsewhere.ts'),
  ]
  const second = 1_000_000
  const profile = { nodes, samples: [2, 4, 5, 6, 2, 7, 2], timeDeltas: [second, second, second, second, second, second, second] }
  t.strictSame(Object.fromEntries(sharesOf(profile, 5.5, 1)), {
    'sealing what persons concern, digests, pseudonyms': 0.25,
    'the decision itself': 0.25,
    'from question to entry and answer': 0.25,
    'Node itself, and what is left': 0.25,
  })
})
