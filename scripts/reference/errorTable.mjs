import { parseDocComment } from './docComment.mjs'

/** Which of the items throws what, by code, from their docstrings; empty when none does. Pure. */
export function errorTable(items, links) {
  const throwers = new Map()
  const collect = (doc, link) => {
    for (const { name, text } of parseDocComment(doc).tags) {
      if (name !== 'throws') continue
      for (const [, code] of text.matchAll(/`([A-Z][A-Z_]+)`/g)) {
        if (links.codeLink(code) !== null) throwers.set(code, new Set([...(throwers.get(code) ?? []), link]))
      }
    }
  }
  for (const { key, name, doc, methods } of items) {
    collect(doc, links.linkTo(key))
    for (const method of methods) {
      for (const overload of method.overloads)
        collect(overload.doc, `[\`${name}.${method.name}()\`](#${(name + method.name).toLowerCase()})`)
    }
  }
  if (throwers.size === 0) return ''
  const rows = [...throwers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, by]) => `| [\`${code}\`](${links.codeLink(code)}) | ${[...by].join(', ')} |`)
  return ['## Errors', '| code | thrown by |\n|---|---|\n'.concat(rows.join('\n'))].join('\n\n')
}
