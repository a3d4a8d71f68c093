import { kafkaTool } from '@oncebox/testkit/harness'

export interface ConsumedRecord {
  readonly key: string
  readonly value: string
  readonly headers: Readonly<Record<string, string>>
}

/** The first `count` records of a topic, or as many as there are, as Kafka's own console consumer prints it: the view from outside of this project. */
export async function consoleConsumer(
  brokers: readonly string[],
  topic: string,
  count: number,
): Promise<ConsumedRecord[]> {
  const { exitCode, stdout, stderr } = await kafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
    ...['--bootstrap-server', brokers.join(','), '--topic', topic, '--from-beginning'],
    // The time to join a group counts too.
    ...['--max-messages', String(count), '--timeout-ms', '20000'],
    ...['--property', 'print.key=true', '--property', 'print.headers=true', '--property', 'headers.separator=|'],
  ])
  if (exitCode !== 0) throw new Error(`the console consumer ended with ${exitCode}: ${stderr}`)
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [headers = '', key = '', value = ''] = line.split('\t')
      const pairs = headers.split('|').map((header) => {
        const colon = header.indexOf(':')
        return [header.slice(0, colon), header.slice(colon + 1)]
      })
      return { key, value, headers: Object.fromEntries(pairs) as Record<string, string> }
    })
}
