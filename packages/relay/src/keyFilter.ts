const slots = 1_024

/**
 * A number that differs between most keys and costs next to nothing: of the bytes `from` up to `to`. Pure.
 */
export function keyMark(bytes: Uint8Array, from: number, to: number): number {
  let mark = to - from
  for (let at = to - 1; at >= from && at >= to - 3; at--) mark = mark * 31 + (bytes[at] as number)
  return mark & (slots - 1)
}

/** Tells of most keys that they are not among some, without making a string of each. */
export class KeyFilter {
  readonly #counts = new Uint32Array(slots)

  add(key: string): void {
    this.#count(key, 1)
  }

  remove(key: string): void {
    this.#count(key, -1)
  }

  /** False: no key with this mark was added. */
  mayHold(mark: number): boolean {
    return this.#counts[mark] !== 0
  }

  #count(key: string, by: 1 | -1): void {
    const bytes = Buffer.from(key)
    const mark = keyMark(bytes, 0, bytes.length)
    this.#counts[mark] = (this.#counts[mark] as number) + by
  }
}
