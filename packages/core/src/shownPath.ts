const shown = /^(?:[A-Za-z_$][\w$]{0,63}|\d{1,9})$/

/**
 * The name of a field as an error may show it. Names say where to look, but an object may be a table with somebody's data
 * for its names: one that is neither an identifier nor an index becomes `…`.
 */
export function shownName(name: PropertyKey): string {
  const text = String(name)
  return shown.test(text) ? text : '…'
}
