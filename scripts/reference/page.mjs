import { firstSentence, oneLine, parseDocComment, splitDefault } from './docComment.mjs'
import { errorTable } from './errorTable.mjs'
import { isValue } from './order.mjs'

/**
 * The page of an entry point, as Markdown. Pure.
 *
 * @param {object} entry as `entryPoints` gives it, with `intro`, and with `items`: what it exports, each with the `page`
 *   that describes it
 * @param {{ linkTo(key: string): string | null, codeLink(code: string): string | null }} links
 */
export function pageOf(entry, links) {
  const { items } = entry
  const own = items.filter(({ page }) => page === entry.page)
  const values = own.filter(isValue)
  const elsewhere = items.filter(({ page }) => page !== entry.page)
  return [
    note,
    `# ${entry.name}`,
    entry.intro,
    values.length > 0 && listOf(values, links),
    ...own.map((item) => sectionOf(item, own, links)),
    elsewhere.length > 0 && `## Described elsewhere\n\n${elsewhere.map(({ key }) => links.linkTo(key)).join(', ')}`,
    errorTable(own, links),
  ]
    .filter((part) => typeof part === 'string' && part !== '')
    .join('\n\n')
    .concat('\n')
}

export const note = '<!-- Written by `npm run reference` from the docstrings: mend those. -->'

function listOf(values, links) {
  const rows = values.map(({ key, doc }) => `| ${links.linkTo(key)} | ${firstSentence(parseDocComment(doc).text)} |`)
  return ['| | |', '|---|---|', ...rows].join('\n')
}

function sectionOf(item, neighbours, links) {
  const { text, tags } = parseDocComment(item.doc)
  // Options that say nothing of themselves are told by whose they are.
  const users = neighbours.filter(({ kind, mentions }) => kind === 'function' && mentions.includes(item.key))
  const bare = item.kind === 'interface' && !/[< ]/.test(item.code.replace('interface ', ''))
  const mentions = item.mentions
    .filter((key) => !item.bases.includes(key))
    .map(links.linkTo)
    .filter((link) => link !== null)
  return [
    `## \`${item.kind === 'function' ? `${item.name}()` : item.name}\``,
    !bare && codeBlock(item.code),
    text === '' && users.length > 0 ? `Of ${users.map(({ key }) => links.linkTo(key)).join(', ')}.` : text,
    ...tagsOf(tags, links),
    item.bases.some(links.linkTo) && `And all of ${item.bases.map(links.linkTo).filter(Boolean).join(', ')}.`,
    item.properties.length > 0 && propertiesOf(item.properties),
    ...item.methods.map((method) => methodOf(item.name, method, links)),
    mentions.length > 0 && `Types: ${mentions.join(', ')}`,
    item.locals.length > 0 && `Types that are not exported:\n\n${codeBlock(item.locals.join('\n\n'))}`,
  ]
    .filter((part) => typeof part === 'string' && part !== '')
    .join('\n\n')
}

function methodOf(owner, { name, overloads }, links) {
  const parts = overloads.map(({ code, doc }) => {
    const { text, tags } = parseDocComment(doc)
    return [codeBlock(dedented(code)), text, ...tagsOf(tags, links)].filter((part) => part !== '').join('\n\n')
  })
  return [`### \`${owner}.${name}()\``, ...parts].join('\n\n')
}

function propertiesOf(properties) {
  const rows = properties.map(({ name, optional, type, doc }) => {
    const { text, tags } = parseDocComment(doc)
    const { text: what, value } = optional ? splitDefault(text) : { text, value: null }
    const described = [what, ...tags.map((tag) => `Throws ${tag.text}`)].filter((part) => part !== '').join(' ')
    return { name: `\`${name}${optional ? '?' : ''}\``, type: inlineCode(type), default: value ?? '', what: described }
  })
  const columns = ['name', 'type', 'default', 'what'].filter((column) => rows.some((one) => one[column] !== ''))
  return [
    row(columns),
    `|${'---|'.repeat(columns.length)}`,
    ...rows.map((one) => row(columns.map((column) => one[column]))),
  ].join('\n')
}

const row = (cells) => `| ${cells.map((cell) => oneLine(cell).replaceAll(/(?<!\\)\|/g, '\\|')).join(' | ')} |`

function tagsOf(tags, links) {
  return tags.map(({ name, text }) => {
    if (name === 'throws') return `**Throws** ${withCodes(text, links)}`
    if (name === 'example') return codeBlock(text)
    if (name === 'param') return text.replace(/^(\S+)/, '`$1`:')
    return text
  })
}

const withCodes = (text, { codeLink }) =>
  text.replaceAll(/`([A-Z][A-Z_]+)`/g, (written, code) =>
    codeLink(code) === null ? written : `[${written}](${codeLink(code)})`,
  )

const codeBlock = (code) => `\`\`\`ts\n${code}\n\`\`\``

const dedented = (code) => code.replaceAll(/\n {2}/g, '\n')

function inlineCode(type) {
  const text = type
    .replaceAll(/\/\*\*[\s\S]*?\*\//g, '')
    .replaceAll(/\s+/g, ' ')
    .replace(/^\| /, '')
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``
}
