import { type Command, InvalidArgumentError } from 'commander'

/** Which dead letters. */
export interface DeadLetterFlags {
  readonly group?: string
  readonly topic?: string
  readonly type?: string
  readonly code?: string
  /** Milliseconds. */
  readonly older?: number
  /** Milliseconds. */
  readonly newer?: number
  readonly all?: boolean
}

/** Adds the filters of `dead`. */
export function withDeadLetterFlags(command: Command): Command {
  return command
    .optionsGroup('Which:')
    .option('--group <name>', 'of this consumer group')
    .option('--topic <name>', 'of this topic')
    .option('--type <name>', 'of this message type')
    .option('--code <code>', 'with this reason, such as HANDLER_FAILED')
    .option('--older <age>', 'dead for at least so long: 30s, 15m, 2h, 7d', age)
    .option('--newer <age>', 'dead for at most so long', age)
    .option('--all', 'all of them, where retry and discard would want a filter')
}

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Parses `30s`, `15m`, `2h`, `7d` to milliseconds. */
export function age(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (count === undefined) throw new InvalidArgumentError('An age such as 30s, 15m, 2h or 7d is needed.')
  return Number(count) * (units[unit] as number)
}
