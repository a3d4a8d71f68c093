import type { Command } from 'commander'
import type { CommonFlags } from '../flags/commonFlags.js'
import { withCommonFlags } from '../flags/commonFlags.js'
import { withDatabaseFlags } from '../flags/databaseFlags.js'
import type { PruneFlags } from '../verbs/prune.js'
import { completionScript } from './completion.js'
import { examples } from './examples.js'
import { exitCode } from './exitCode.js'
import type { RunVerb } from './program.js'

/** `init [directory]` */
export function addInit(program: Command, run: RunVerb): void {
  const command = program
    .command('init')
    .summary('write the first files into your project')
    .description(
      'Writes a module that migrates, one with the messages that services agree on, and the settings that the command ' +
        'reads. Changes no file that is there.',
    )
    .argument('[directory]', 'where to', 'oncebox')
  withCommonFlags(command, 'the paths as one JSON document on stdout')
    .addHelpText('after', examples('oncebox init', 'oncebox init src/messaging'))
    .action((directory: string, flags: CommonFlags) =>
      run(flags, async (console) => (await import('../verbs/init.js')).init(directory, flags, console)),
    )
}

/** `prune` */
export function addPrune(program: Command, run: RunVerb): void {
  const command = program
    .command('prune')
    .summary('delete business keys that have expired, and give back what is past its time')
    .description(
      'For a daily job: business keys whose retention has passed are deleted by nobody else. Ids of the inbox and ' +
        'publications are given back by consumers and relays too; here it is done at once. Deletes nothing that could ' +
        'still be needed.',
    )
  withCommonFlags(withDatabaseFlags(command), 'what was given back as one JSON document on stdout')
    .addHelpText('after', examples('oncebox prune', 'oncebox prune --json | jq .businessKeys'))
    .action((flags: PruneFlags) =>
      run(flags, async (console) => (await import('../verbs/prune.js')).prune(flags, console)),
    )
}

/** `completion` */
export function addCompletion(program: Command, run: RunVerb): void {
  const command = program
    .command('completion')
    .summary('print what makes bash complete verbs and flags')
    .description('Prints a script for bash. zsh reads it too, after "autoload -U bashcompinit && bashcompinit".')
  withCommonFlags(command, 'the script in one JSON document on stdout')
    .addHelpText('after', examples('oncebox completion >> ~/.bashrc', 'source <(oncebox completion)'))
    .action((flags: CommonFlags) =>
      run(flags, async ({ output }) => {
        const script = completionScript(program)
        if (output.json) output.write({ script }, () => null)
        else output.raw(script)
        return exitCode.fine
      }),
    )
}
