import { type Command, InvalidArgumentError } from 'commander'

export interface ConsumerFlags {
  /** Databases of consumers beside `--database-url`. */
  readonly consumerUrl?: readonly string[]
}

/** Adds `--consumer-url`. */
export function withConsumerFlags(command: Command): Command {
  return command
    .optionsGroup('Consumers:')
    .option('--consumer-url <url>', 'the database of consumers, when it is another one; repeat it', collect)
}

function collect(url: string, sofar: readonly string[] = []): string[] {
  if (!/^postgres(ql)?:\/\//.test(url)) throw new InvalidArgumentError('postgres://… is needed.')
  return [...sofar, url]
}
