/**
 * How far a lane got. Everything visible in `last` is published or parked; while a large window is paged, so is
 * everything visible in `upper` at positions up to `pagePosition`. Snapshots in the text form of `pg_snapshot`, positions
 * as decimal text.
 */
export interface Progress {
  readonly last: string
  readonly page: { readonly upper: string; readonly position: string } | null
}
