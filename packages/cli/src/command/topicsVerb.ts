import { Argument, type Command } from 'commander'
import { withCommonFlags } from '../flags/commonFlags.js'
import { withConsumerFlags } from '../flags/consumerFlags.js'
import { withDatabaseFlags } from '../flags/databaseFlags.js'
import { withTransportFlags } from '../flags/transportFlags.js'
import type { TopicsAction, TopicsFlags } from '../verbs/topics.js'
import { examples } from './examples.js'
import type { RunVerb } from './program.js'

/** `topics [list|repin] [topic]` */
export function addTopics(program: Command, run: RunVerb): void {
  const command = program
    .command('topics')
    .summary('list topics and their partitions; take new partitions into use')
    .description(
      'The keys of a topic are spread over as many partitions as it had when a relay first published to it, and stay there ' +
        'when it gets more. "repin" spreads them over all that it has now. Keys move then, so it wants the topic paused, ' +
        'and everything that was published before to be read: of the groups of the databases that are named it looks, and ' +
        'refuses; of others nobody but you knows. What was written meanwhile waits, and goes out when the topic is resumed.',
    )
    .addArgument(new Argument('[action]', 'what to do').choices(['list', 'repin']).default('list'))
    .argument('[topic]', 'repin: which one')
    .optionsGroup('Deciding:')
    .option('--dry-run', 'only say what would be done, and what stands in the way')
    .option('--yes', 'do it without asking')
    .option('--reason <text>', 'why; it is kept')
    .option('--by <name>', 'who decides (default: USER)')
  withCommonFlags(withDatabaseFlags(withConsumerFlags(withTransportFlags(command))), 'one JSON document on stdout')
    .addHelpText(
      'after',
      examples(
        'oncebox topics --brokers localhost:9092',
        'oncebox pause --topic orders --reason "more partitions"',
        'oncebox lag --brokers localhost:9092',
        'oncebox topics repin orders --brokers localhost:9092 --dry-run',
        'oncebox topics repin orders --brokers localhost:9092 --yes',
        'oncebox resume --topic orders',
      ),
    )
    .action((action: TopicsAction, topic: string | undefined, flags: TopicsFlags) =>
      run(flags, async (console) => (await import('../verbs/topics.js')).topics(action, topic, flags, console)),
    )
}
