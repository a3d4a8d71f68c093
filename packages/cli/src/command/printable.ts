/**
 * A text as one line that cannot move the cursor, colour the terminal or turn the direction of writing: keys and types
 * come from whoever writes to the outbox.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
  })
}
