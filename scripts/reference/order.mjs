const order = ['function', 'class', 'const', 'interface', 'type']

/** Whether it is there when the program runs; the others are types. */
export const isValue = ({ kind }) => order.indexOf(kind) < order.indexOf('interface')

/** What can be called first, types last, each by name. */
export function inOrder(items) {
  const rank = (item) => (isValue(item) ? order.indexOf(item.kind) : order.length)
  return items.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
}

/**
 * The anchors of a page's items as code hosts make them of the headings, in order: letters small, brackets and dots
 * dropped, and a number behind one that was there before.
 *
 * @returns {Map<string, string>} by the item's key
 */
export function anchorsOf(items) {
  const taken = new Map()
  const anchors = new Map()
  for (const { key, name, methods } of items) {
    const headings = [[key, name], ...methods.map((method) => [null, name + method.name])]
    for (const [owner, heading] of headings) {
      const anchor = heading.toLowerCase()
      const before = taken.get(anchor) ?? 0
      taken.set(anchor, before + 1)
      if (owner !== null) anchors.set(owner, before === 0 ? anchor : `${anchor}-${before}`)
    }
  }
  return anchors
}
