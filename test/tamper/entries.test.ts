/**
 * Entries edited, removed, added and moved by the superuser of the database. As long as the log beside them is left alone, the entry is
 * named. A forger who makes the log anew has no key: what is signed outside shows it, as narrowly as that can prove. With nothing from outside
 * such a forgery leaves a log without checkpoints, and the answer says that nothing is proven.
 */
import { runTamperCases } from '../support/tamper-cases.ts'

await runTamperCases(({ middle, size, older }) => {
  const at = `${middle}..${middle}`
  const all = `0..${size - 1n}`
  const covered = `0..${older - 1n}`
  const plain = (faults: readonly string[]) => ({
    later: faults,
    receipt: faults,
    nothing: faults,
    notExcluded: ['key_learnt'],
  })
  const nothingLeft = { nothing: [], notExcluded: ['not_published'] }
  return [
    { name: 'one byte of an entry is edited', attack: (x) => x.editByte('north', middle), ...plain([`entry_changed ${at}`]) },
    { name: 'an entry is deleted', attack: (x) => x.remove('north', middle), ...plain([`entry_missing ${at}`]) },
    {
      name: 'an entry is deleted and those behind it are renumbered',
      attack: async (x) => {
        await x.remove('north', middle)
        await x.renumber('north')
      },
      ...plain([`entry_missing ${at}`]),
    },
    {
      name: 'an entry is inserted',
      attack: (x) => x.insert('north', middle),
      ...plain([`entry_inserted ${at}`]),
      // There is one more than were signed.
      notExcluded: ['key_learnt', 'not_published'],
    },
    {
      name: 'two entries change places',
      attack: (x) => x.reorder('north', middle, middle + 3n),
      ...plain([`entries_reordered ${at}`, `entries_reordered ${middle + 3n}..${middle + 3n}`]),
    },
    {
      name: 'entries of two clinics change places',
      attack: (x) => x.swap(['north', middle], ['south', middle + 5n]),
      ...plain([`entry_of_another_clinic ${at}`]),
    },
    {
      name: 'what the database says of an entry is edited, and the entry is not',
      attack: async (x) => {
        await x.query(
          `update chartwarden_ledger.entries set type = 'chartwarden.trail.viewed.v1' where clinic = 'north' and revision = $1`,
          [middle],
        )
      },
      ...plain([`entry_columns_changed ${at}`]),
      notExcluded: ['key_learnt'],
    },
    {
      name: 'forged: one byte is edited, and the log is made anew',
      attack: async (x) => {
        await x.editByte('north', middle)
        await x.forgeLog('north', 0n)
      },
      later: [`entry_changed ${all}`],
      receipt: [`entry_changed ${at}`],
      ...nothingLeft,
    },
    {
      name: 'forged: an entry is deleted, and the log is made anew',
      attack: async (x) => {
        await x.remove('north', middle)
        await x.renumber('north')
        await x.forgeLog('north', 0n)
      },
      // One entry fewer than were signed: which one, a checkpoint alone does not tell.
      later: [`ledger_rolled_back ${size - 1n}..${size - 1n}`],
      receipt: [`entry_changed ${covered}`],
      ...nothingLeft,
    },
    {
      name: 'forged: an entry is inserted, and the log is made anew',
      attack: async (x) => {
        await x.insert('north', middle)
        await x.forgeLog('north', 0n)
      },
      later: [`entry_changed ${all}`],
      receipt: [`entry_changed ${covered}`],
      ...nothingLeft,
    },
    {
      name: 'forged: two entries change places, and the log is made anew',
      attack: async (x) => {
        await x.reorder('north', middle, middle + 3n)
        await x.forgeLog('north', 0n)
      },
      later: [`entry_changed ${all}`],
      receipt: [`entry_changed ${covered}`],
      ...nothingLeft,
    },
    {
      name: 'forged: entries of two clinics change places, and the log is made anew',
      attack: async (x) => {
        await x.swap(['north', middle], ['south', middle + 5n])
        await x.forgeLog('north', 0n)
      },
      later: [`entry_of_another_clinic ${at}`],
      receipt: [`entry_of_another_clinic ${at}`, `entry_changed ${at}`],
      nothing: [`entry_of_another_clinic ${at}`],
      notExcluded: ['not_published'],
    },
  ]
})
