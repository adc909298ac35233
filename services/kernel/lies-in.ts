import { isAbsolute, relative, sep } from 'node:path'

/** Whether the first directory is the second or lies below it. */
export const liesIn = (directory: string, outer: string): boolean => {
  const way = relative(outer, directory)
  return !(way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way))
}
