import { Argument, type Command } from 'commander'
import { wholeNumber, withCommonFlags } from '../flags/commonFlags.js'
import { withDatabaseFlags } from '../flags/databaseFlags.js'
import { withDeadLetterFlags } from '../flags/deadLetterFlags.js'
import type { DeadAction, DeadFlags } from '../verbs/dead.js'
import type { RunVerb } from './program.js'

/** `dead list|show|retry|discard` */
export function addDead(program: Command, run: RunVerb): void {
  const command = program
    .command('dead')
    .summary('list, show, retry or discard what consumers gave up on')
    .description(
      'Dead letters, in the database of the consumer. A retry is carried out by a running consumer of the group: once, ' +
        'past inbox and horizon, and after it the messages of the key that wait behind, in order. A discard deletes, and ' +
        'lets those that wait go on. Both keep who, when and why.',
    )
    .addArgument(new Argument('<action>', 'what to do').choices(['list', 'show', 'retry', 'discard']))
    .argument('[number...]', 'which ones: the numbers that list shows')
    .optionsGroup('Deciding:')
    .option('--reason <text>', 'why; a discard needs one')
    .option('--by <name>', 'who decides (default: USER)')
    .option('--dry-run', 'only say what would be retried or discarded')
    .option('--yes', 'do it to all that a filter finds, without asking')
    .option('--limit <count>', 'how many to show', wholeNumber(1), 100)
  withCommonFlags(withDatabaseFlags(withDeadLetterFlags(command)), 'JSON on stdout, one document a dead letter')
    .addHelpText(
      'after',
      [
        '\nExamples:',
        '  $ oncebox dead list --group billing',
        '  $ oncebox dead show 17',
        '  $ oncebox dead retry 17',
        '  $ oncebox dead retry --group billing --code HANDLER_FAILED --dry-run',
        '  $ oncebox dead discard --type page.viewed --older 7d --reason "too old to matter" --yes',
      ].join('\n'),
    )
    .action((action: DeadAction, numbers: string[], flags: DeadFlags) =>
      run(flags, async (console) => (await import('../verbs/dead.js')).dead(action, numbers, flags, console)),
    )
}
