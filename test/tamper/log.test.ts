/** The ledger's end, the key and the tiles in the hands of the superuser of the database. */
import { runTamperCases } from '../support/tamper-cases.ts'

await runTamperCases(({ size, older, middle }) => {
  const cut = size - 10n
  const gone = `${cut}..${size - 1n}`
  const all = `0..${size - 1n}`
  return [
    {
      name: 'the newest entries are cut off',
      attack: (x) => x.truncate('north', cut),
      later: [`ledger_truncated ${gone}`],
      receipt: [`ledger_truncated ${gone}`],
      nothing: [`ledger_truncated ${gone}`],
      kept: 'last',
      notExcluded: ['key_learnt'],
    },
    {
      name: 'forged: the newest entries are cut off, and with them all that was kept of them',
      attack: async (x) => {
        await x.truncate('north', cut)
        await x.forgeLog('north', older)
      },
      later: [`ledger_rolled_back ${gone}`],
      receipt: [`ledger_rolled_back ${gone}`],
      nothing: [],
      kept: 'last',
      notExcluded: ['key_learnt', 'not_published'],
    },
    {
      name: 'the database is rolled back to an older copy',
      attack: async () => {},
      of: 'older',
      later: [`ledger_rolled_back ${older}..${size - 1n}`],
      receipt: [`ledger_rolled_back ${older}..${size - 1n}`],
      nothing: [],
      kept: 'last',
      notExcluded: ['key_learnt'],
    },
    {
      name: 'the key is replaced, and nothing else is changed',
      attack: async (x) => {
        await x.forgeLog('north', 0n)
        await x.replaceKey('north')
      },
      later: [`key_replaced ${all}`],
      receipt: [`key_replaced ${all}`],
      nothing: [],
      kept: 'last',
      notExcluded: ['key_learnt'],
    },
    {
      name: 'an entry is edited, the log is made anew, and signed with a key of the attacker’s own',
      attack: async (x) => {
        await x.editByte('north', middle)
        await x.forgeLog('north', 0n)
        await x.replaceKey('north')
      },
      later: [`key_replaced ${all}`, `checkpoint_inconsistent ${all}`, `entry_changed ${all}`],
      receipt: [`key_replaced 0..${older - 1n}`, `checkpoint_inconsistent 0..${older - 1n}`, `entry_changed ${middle}..${middle}`],
      nothing: [],
      notExcluded: ['key_learnt'],
    },
    {
      name: 'a hash of a leaf is edited',
      attack: async (x) => {
        const [strip, place] = [Number(middle) >> 5, (Number(middle) % 32) * 32 + 7]
        await x.query(
          `update chartwarden_log.strips set hashes = set_byte(hashes, $1, 255 - get_byte(hashes, $1)) where clinic = 'north' and level = 0 and strip = $2`,
          [place, strip],
        )
      },
      later: [`tile_changed ${middle}..${middle}`],
      receipt: [`tile_changed ${middle}..${middle}`],
      nothing: [`tile_changed ${middle}..${middle}`],
      notExcluded: ['key_learnt'],
    },
    {
      name: 'a hash of a whole tile is edited',
      attack: async (x) => {
        await x.query(
          `update chartwarden_log.strips set hashes = set_byte(hashes, 7, 255 - get_byte(hashes, 7)) where clinic = 'north' and level = 1 and strip = 0`,
        )
      },
      later: ['tile_changed 0..255'],
      receipt: ['tile_changed 0..255'],
      nothing: ['tile_changed 0..255'],
      notExcluded: ['key_learnt'],
    },
  ]
})
