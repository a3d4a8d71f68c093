/**
 * A docstring in parts: its text as Markdown, and what follows each tag, by the tag's name.
 *
 * @param {string | undefined} comment with its marks, or without
 * @returns {{ text: string, tags: { name: string, text: string }[] }}
 */
export function parseDocComment(comment = '') {
  const lines = comment
    .replace(/^\/\*\*/, '')
    .replace(/\*\/$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
  // A tag may stand behind the text, on its line.
  const [text = '', ...tags] = lines
    .join('\n')
    .trim()
    .split(/(?<=^|\s)@(?=(?:throws|param|returns|example|see|internal)\b)/)
  return {
    text: text.trim(),
    tags: tags.map((tag) => {
      const [, name, rest] = /^(\w+)\s*([\s\S]*)$/.exec(tag)
      return { name, text: rest.trim().replaceAll(/\n {1,3}/g, '\n') }
    }),
  }
}

/**
 * The default that a docstring states, and the text without it: the sentence that begins with `Default`, or what follows
 * `; default`.
 *
 * @returns {{ text: string, value: string | null }}
 */
export function splitDefault(text) {
  const sentence = /(?:^|(?<=[.:;]\s))Default:?\s+((?:`[^`]*`|[^.`]|\.(?!\s|$))+)\.?(?=\s|$)/
  const clause = /[;,]\s+default\s+((?:`[^`]*`|[^.;`]|\.(?!\s|$))+)/
  const found = sentence.exec(text) ?? clause.exec(text)
  if (found === null) return { text, value: null }
  const rest = `${text.slice(0, found.index)}${text.slice(found.index + found[0].length)}`
  return { text: rest.replaceAll(/[ \n]{2,}/g, ' ').trim(), value: found[1].trim() }
}

/** The first sentence, for lists. */
export function firstSentence(text) {
  return /^(?:`[^`]*`|[^.`]|\.(?!\s|$))*/.exec(oneLine(text))[0]
}

/** Without line breaks, for cells; the points of a list stay apart. */
export function oneLine(text) {
  return text
    .replaceAll(/\n\s*- /g, '<br>• ')
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim()
}
