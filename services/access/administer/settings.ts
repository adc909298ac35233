import type { Actor } from '../events.ts'
import { settingsOf } from '../policy/settings-draft.ts'
import type { PlannedEvent, PutSettings } from './commands.ts'

/** Replaces what the clinic has settled; the draft is well formed. */
export const putSettings = ({ settings }: PutSettings, actor: Actor): PlannedEvent => ({
  type: 'chartwarden.settings.changed.v1',
  data: { actor, ...settingsOf(settings) },
})
