import { UsageError } from './failure.js'

/** Who decides: as told, or the user of this machine. @throws UsageError when nobody is named. */
export function deciderOf({ by }: { readonly by?: string }): string {
  const name = by ?? process.env.USER ?? ''
  if (name.trim() === '') throw new UsageError('nobody is named who decides', 'Give --by NAME or set USER.')
  return name
}
