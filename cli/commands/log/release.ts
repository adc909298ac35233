import { Command } from 'commander'
import type { Act } from '../../program.ts'
import { signerDirectory } from './signer-directory.ts'

export const releaseCommand = (act: Act): Command =>
  new Command('release')
    .description(
      'Give the signer store free for an installation that has taken the place of the one it belongs to. The next service that starts takes it over with all it holds; stop the old one first.',
    )
    .action(
      act(async (session) => {
        const { files, operate } = await signerDirectory(session.io)
        const before = await operate.giveFree(files)
        if (session.json) await session.print(`${JSON.stringify({ released_from: before ?? null })}\n`)
        else if (before === undefined) await session.print(`The store in ${files.directory} is nobody's already.\n`)
        else await session.print(`The store in ${files.directory} is free; the next service that starts with it takes it over.\n`)
        return 'ok'
      }),
    )
