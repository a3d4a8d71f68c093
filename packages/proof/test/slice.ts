/** Another slice every day, the same one all day: `count` of `all`, so that every one comes round. */
export function todaysSlice<T>(all: readonly T[], count: number): T[] {
  const day = Math.floor(Date.now() / 86_400_000)
  return Array.from({ length: Math.min(count, all.length) }, (_, index) => all[(day * count + index) % all.length] as T)
}
