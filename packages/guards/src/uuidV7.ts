import { type IdSource, localIds } from '@oncebox/core'

/** Ids made in this process, without anybody's help; they rise within it. What every producer uses by default. */
export function uuidV7(): IdSource {
  return localIds
}
