import { type Command, InvalidArgumentError, Option } from 'commander'

/** Flags that every verb takes, and those whose values must never be printed. */
export interface CommonFlags {
  readonly json?: boolean
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly databaseUrl?: string
  readonly consumerUrl?: readonly string[]
}

/** Adds `--json` and `--log-level`. */
export function withCommonFlags(command: Command, json: string): Command {
  return command
    .optionsGroup('Output:')
    .option('--json', json)
    .addOption(
      new Option('--log-level <level>', 'least important level on stderr')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .env('ONCEBOX_LOG_LEVEL')
        .default('info'),
    )
}

/** Parses a whole number of at least `minimum`. */
export function wholeNumber(minimum: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < minimum) {
      throw new InvalidArgumentError(`A whole number of at least ${minimum} is needed.`)
    }
    return number
  }
}
