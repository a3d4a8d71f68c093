/**
 * The queue of a topic and a group: `<topic>.<group>`.
 *
 * pg-boss allows letters, digits, `_`, `-`, `.` and `/` in queue names. Topics may hold dots, so a group may not, or two
 * pairs would share a queue: whatever a group holds beside letters, digits, `_` and `-` becomes `/` and the two hex
 * digits of each UTF-8 byte (topics never hold a `/`). The last dot is then always the one between the two.
 */
export function queueName(topic: string, group: string): string {
  const escaped = group.replace(/[^A-Za-z0-9_-]/gu, (character) =>
    [...Buffer.from(character, 'utf8')].map((byte) => `/${byte.toString(16).padStart(2, '0')}`).join(''),
  )
  return `${topic}.${escaped}`
}
