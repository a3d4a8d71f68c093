import { note } from './page.mjs'

/**
 * The page that lists all entry points. Pure.
 *
 * @param {object[]} entries as `entryPoints` gives them, with `intro`; `own`, the names that are described there; and
 *   `elsewhere`, the entry points that describe the others. One without names of its own has no page.
 */
export function indexOf(entries) {
  return `${note}

# Reference

Every name that the packages export, by entry point: signatures, options with their defaults, errors by code. What
several entry points export is described once, by the first.

${tableOf(entries.filter(({ folder }) => folder === 'cli'))}

## Packages

What \`oncebox\` is made of, the transports, the dashboard and the test kit.

${tableOf(entries.filter(({ folder }) => folder !== 'cli'))}
`
}

function tableOf(entries) {
  return ['| import from | what |', '|---|---|', ...entries.map(rowOf)].join('\n')
}

function rowOf({ name, page, intro, own, elsewhere }) {
  const others = elsewhere.map((one) => `[\`${one.name}\`](${one.page})`).join(', ')
  if (own.length === 0) return `| \`${name}\` | As ${others} |`
  const what = intro === '' ? `As ${others}, and ${own.map((one) => `\`${one}\``).join(', ')}` : intro
  return `| [\`${name}\`](${page}) | ${what.replaceAll('\n', ' ')} |`
}
