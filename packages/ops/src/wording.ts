/** `1 key`, `2 keys`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Seconds as a person says them: `90 s`, `15 min`, `3 h`, `4 d`. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

/** Names of the user's, quoted, in a list. */
export function named(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ')
}

/** The flag that a command needs for this schema, with a space before it; nothing for the default one. */
export function schemaFlag(schema: string): string {
  return schema === 'oncebox' ? '' : ` --schema ${/^[\w.-]+$/.test(schema) ? schema : '…'}`
}

/** A name as one word of a shell command. */
export function shellWord(name: string): string {
  return /^[\w.,:@%+=/-]+$/.test(name) && !name.startsWith('-') ? name : `'${name.replaceAll("'", `'\\''`)}'`
}

/** What is typed to make a topic: Kafka's own tool, with the brokers of the settings. */
export function createTopicCommand(topic: string): string {
  return `kafka-topics.sh --bootstrap-server $KAFKA_BROKERS --create --topic ${shellWord(topic)} --partitions 12`
}

/** Kafka's own default of `max.message.bytes`, which takes every message of the default payload limit. */
export const usualBytes = 1_048_588

/** What is typed to set a topic's setting. */
export function setTopicCommand(topic: string, setting: string, value: number): string {
  return `kafka-configs.sh --bootstrap-server $KAFKA_BROKERS --alter --entity-type topics --entity-name ${shellWord(topic)} --add-config ${setting}=${value}`
}
