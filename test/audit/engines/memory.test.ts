import t from 'tap'
import { createMemoryEngine } from '../../../services/audit/engines/memory.ts'
import { systemClock } from '../../../services/kernel/clock.ts'
import { ledgerContract } from '../../contract/ledger.ts'

await ledgerContract(t, 'memory', async (t) => {
  const engine = createMemoryEngine({ clock: systemClock })
  t.teardown(() => engine.close())
  return { first: engine, second: engine }
})
