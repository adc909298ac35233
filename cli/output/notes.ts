import type { Session } from '../session.ts'
import { printable } from './printable.ts'

/** Says on stderr what should be looked at, a line each: it kept nothing from being done. One JSON object where JSON was asked for. */
export const tellNotes = async (session: Session, notes: readonly string[]): Promise<void> => {
  if (notes.length === 0) return
  if (session.json) return session.note(JSON.stringify({ notes }))
  for (const note of notes) await session.note(`Note: ${printable(note)}`)
}
