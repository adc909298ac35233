import { type EventType, stateChanging } from './events.ts'

/** Whether entries of a type change the state; undefined for a type of another version, which is known by its name alone. */
export const changesState = (type: string): boolean | undefined =>
  Object.hasOwn(stateChanging, type) ? stateChanging[type as EventType] : undefined
