import { relative } from 'node:path'

/** Relative where that is shorter, so that an editor or terminal can open the place. */
export function showFile(path: string): string {
  const near = relative(process.cwd(), path)
  return near.startsWith('..') ? path : near
}
