import type { Command } from 'commander'
import { wholeNumber, withCommonFlags } from '../flags/commonFlags.js'
import { withConsumerFlags } from '../flags/consumerFlags.js'
import { withDatabaseFlags } from '../flags/databaseFlags.js'
import { moment } from '../flags/momentFlag.js'
import { withTransportFlags } from '../flags/transportFlags.js'
import type { ReplayFlags } from '../verbs/replay.js'
import type { VerifyFlags } from '../verbs/verify.js'
import { examples } from './examples.js'
import type { RunVerb } from './program.js'

/** `replay [ID...]` */
export function addReplay(program: Command, run: RunVerb): void {
  const command = program
    .command('replay')
    .summary('publish messages of the outbox again')
    .description(
      'Copies messages that are still in the outbox to its end, in their order and with their ids: the relay publishes ' +
        'them again, inboxes skip what they handled, and a group that missed them handles them. Messages of the last hour ' +
        'unless --since says otherwise. Stopped by SIGTERM or SIGINT it says how to go on, and exits with 1. With --again ' +
        'nothing is published: one consumer group handles the messages once more, although it has their ids.',
    )
    .argument('[id...]', 'the global ids of messages')
    .optionsGroup('Which:')
    .option('--topic <name>', 'of this topic')
    .option('--key <key>', 'with this key')
    .option('--type <name>', 'of this message type')
    .option(
      '--since <when>',
      'written since: 2h (ago), or 2026-11-25T18:00:00Z (default: 1h; with ids, any time)',
      moment,
    )
    .option('--until <when>', 'written until', moment)
    .option('--after <position>', 'go on where a replay was stopped')
    .option('--before <position>', 'and end where it would have ended')
    .optionsGroup('How:')
    .option('--dry-run', 'only count what would be replayed')
    .option('--yes', 'do it to all that a filter finds, without asking')
    .option('--rate <count>', 'messages a second', wholeNumber(1), 1_000)
    .optionsGroup('Once more for one group:')
    .option('--again', 'have them handled by --group although it has handled them: effects happen again')
    .option('--group <name>', 'the consumer group')
    .option('--reason <text>', 'why; it is kept, and needed')
    .option('--by <name>', 'who decides (default: USER)')
    .option('--run <id>', 'with --again alone: go on with a run that was stopped or killed')
  withCommonFlags(withDatabaseFlags(withConsumerFlags(command)), 'what was done as one JSON document on stdout')
    .addHelpText(
      'after',
      examples(
        'oncebox replay 01a2143c-7a46-718b-ac8e-3d4f54d8b24d',
        'oncebox replay --topic orders --since 2026-11-25T18:00:00Z --until 2026-11-25T18:30:00Z --dry-run',
        'oncebox replay --type order.created --since 6h --rate 200 --yes',
        'oncebox replay --again --group billing --topic orders --since 2h --dry-run',
        'oncebox replay --again --group billing --topic orders --since 2h --reason "rates were wrong" --yes',
      ),
    )
    .action((ids: string[], flags: ReplayFlags) =>
      run(flags, async (console) => (await import('../verbs/replay.js')).replay(ids, flags, console)),
    )
}

/** `verify` */
export function addVerify(program: Command, run: RunVerb): void {
  const command = program
    .command('verify')
    .summary('compare outbox, Kafka and inboxes over a time range')
    .description(
      'Reads the messages that were written in the range, and the topics they went to, and names by id what is lost, what ' +
        'nobody wrote, what was published twice or out of order, and what a group has passed without handling. Changes ' +
        'nothing. Exit 1 when it finds anything.',
    )
    .option('--since <when>', 'written since: 2h (ago), or 2026-11-25T18:00:00Z (default: 1h)', moment)
    .option('--until <when>', 'written until (default: now)', moment)
  withCommonFlags(withDatabaseFlags(withConsumerFlags(withTransportFlags(command))), 'one JSON document on stdout')
    .addHelpText(
      'after',
      examples(
        'oncebox verify --brokers localhost:9092',
        'oncebox verify --since 6h --until 1h --brokers localhost:9092 --consumer-url postgres://ops@db2/billing',
        "oncebox verify --json | jq '.discrepancies[]'",
      ),
    )
    .action((flags: VerifyFlags) =>
      run(flags, async (console) => (await import('../verbs/verify.js')).verify(flags, console)),
    )
}
