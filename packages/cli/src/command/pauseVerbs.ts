import type { Command } from 'commander'
import { wholeNumber, withCommonFlags } from '../flags/commonFlags.js'
import { withDatabaseFlags } from '../flags/databaseFlags.js'
import type { PauseFlags } from '../verbs/pause.js'
import { examples } from './examples.js'
import type { RunVerb } from './program.js'

/** `pause --topic NAME|--lane N` */
export function addPause(program: Command, run: RunVerb): void {
  const command = program
    .command('pause')
    .summary('let the relay publish nothing of a topic or a lane for a while')
    .description(
      'Running relays follow within a second or two; what they have sent is sent. The messages of a paused topic are moved ' +
        'aside, in order, and everything else flows on. A paused lane stops whole and keeps its lease; behind it the ' +
        'outbox grows. Who, when and why are kept, and shown by status and doctor.',
    )
  withPauseFlags(command, 'pause')
    .addHelpText(
      'after',
      examples(
        'oncebox pause --topic orders --reason "broker upgrade"',
        'oncebox pause --lane 0',
        'oncebox resume --all',
      ),
    )
    .action((flags: PauseFlags) =>
      run(flags, async (console) => (await import('../verbs/pause.js')).pause('pause', flags, console)),
    )
}

/** `resume --topic NAME|--lane N|--all` */
export function addResume(program: Command, run: RunVerb): void {
  const command = program
    .command('resume')
    .summary('let what was paused go on')
    .description('What waited is published first, in order.')
  withPauseFlags(command, 'resume')
    .option('--all', 'everything that is paused')
    .addHelpText('after', examples('oncebox resume --topic orders', 'oncebox resume --all --reason "upgrade done"'))
    .action((flags: PauseFlags) =>
      run(flags, async (console) => (await import('../verbs/pause.js')).pause('resume', flags, console)),
    )
}

function withPauseFlags(command: Command, action: string): Command {
  command
    .option('--topic <name>', `${action} this topic; may be given several times`, several)
    .option('--lane <number>', `${action} this lane; may be given several times`, severalNumbers)
    .option('--reason <text>', 'why; it is kept')
    .option('--by <name>', 'who decides (default: USER)')
  return withCommonFlags(withDatabaseFlags(command), 'what changed and what is paused, as one JSON document on stdout')
}

const laneNumber = wholeNumber(0)

function several(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text]
}

function severalNumbers(text: string, before: readonly number[] | undefined): number[] {
  return [...(before ?? []), laneNumber(text)]
}
